"""A window holds the frames around its middle, repeats the edges, and sees no future in causal mode.

Tests: coefficients.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flow3d.morphable import Coefficients, talking_head, windows

SEQUENCES = st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1)))


def numbered(frames: int) -> torch.Tensor:
    """Frame n holds n everywhere."""
    return torch.arange(frames, dtype=torch.float32)[:, None].expand(frames, 73).contiguous()


def test_a_window_of_three_by_hand():
    rows = windows(numbered(3), radius=1)[:, 0]
    assert rows.tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 2]]
    rows = windows(numbered(3), radius=1, causal=True)[:, 0]
    assert rows.tolist() == [[0, 0, 0], [0, 1, 1], [1, 2, 2]]


@settings(max_examples=60, deadline=None)
@given(SEQUENCES, st.integers(0, 15), st.booleans())
def test_each_place_holds_the_frame_it_stands_for(sequence, radius, causal):
    frames, now = sequence
    window = windows(numbered(frames), radius, causal)
    assert window.shape == (frames, 73, 2 * radius + 1)
    for place, offset in enumerate(range(-radius, radius + 1)):
        expected = min(max(now + (min(offset, 0) if causal else offset), 0), frames - 1)
        assert (window[now, :, place] == expected).all()


@settings(max_examples=20, deadline=None)
@given(SEQUENCES, st.integers(0, 10))
def test_causal_windows_do_not_change_with_what_comes_later(sequence, radius):
    frames, now = sequence
    motion = talking_head(frames, seed=3).values
    other = motion.clone()
    other[now + 1 :] += 1.0
    kept = windows(motion, radius, causal=True)[: now + 1]
    assert torch.equal(kept, windows(other, radius, causal=True)[: now + 1])
    if radius and now + 1 < frames:
        assert not torch.equal(windows(motion, radius)[now], windows(other, radius)[now])


def test_columns_keep_their_order_and_the_default_is_27():
    motion = talking_head(30, seed=4)
    window = motion.windows()
    assert window.shape == (30, 73, 27)
    assert window.is_contiguous()
    assert torch.equal(window[..., 13], motion.values)
    assert torch.equal(window, windows(motion.values))


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("values", "radius", "error", "message"),
    [
        (numbered(3), -1, ValueError, "radius: expected 0 or more, got -1"),
        (numbered(3), 1.5, TypeError, "radius: expected an integer, got 1.5"),
        (numbered(3), True, TypeError, "radius: expected an integer, got True"),
        (torch.zeros(0, 73), 13, ValueError, "coefficients: expected at least one frame, got none"),
        (torch.zeros(4, 70), 13, ValueError, r"coefficients: expected shape \(N, 73\), got \(4, 70\)"),
        (numbered(3) * torch.nan, 13, ValueError, "coefficients: expected finite numbers, got nan"),
        ("clip", 13, TypeError, "coefficients: expected a tensor"),
    ],
)
def test_bad_input_is_named(values, radius, error, message):
    with pytest.raises(error, match=message):
        windows(values, radius)


def test_one_frame_fills_its_window():
    window = windows(Coefficients.neutral().replace(yaw=0.3))
    assert (window == window[..., :1]).all()
