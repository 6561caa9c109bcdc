"""Scores refuse what they cannot judge, by the argument's name, and warn of pictures on another scale."""

import numpy as np
import pytest
import torch

from flow3d.evaluation.scores.metrics import csim, psnr, ssim

pytestmark = pytest.mark.usefixtures("no_shape_checks")
PICTURE = torch.linspace(-1, 1, 3 * 16 * 16).view(3, 16, 16)
EVERYWHERE = torch.ones(16, 16, dtype=torch.bool)
BYTES = ((PICTURE + 1) * 127.5).round()
VECTORS = torch.eye(2, 4)

PICTURES = {
    "bytes": (BYTES.byte(), TypeError, r"expected a float tensor \(3, H, W\) in \[-1, 1\], got torch.uint8"),
    "an array": (PICTURE.numpy(), TypeError, "expected a float tensor .*, got ndarray"),
    "whole numbers": (PICTURE.long(), TypeError, "expected a float tensor .*, got torch.int64"),
    "complex numbers": (PICTURE.to(torch.complex64), TypeError, "expected a float tensor .*, got torch.complex64"),
    "nothing": (None, TypeError, "expected a float tensor .*, got NoneType"),
    "0 to 255": (BYTES, ValueError, r"expected numbers in \[-1, 1\], got 0 to 255"),
    "unclamped": (1.1 * PICTURE, ValueError, r"expected numbers in \[-1, 1\], got -1.1 to 1.1"),
    "NaN": (PICTURE.clone().fill_(torch.nan), ValueError, "expected finite numbers, got NaN or infinity"),
    "infinity": (PICTURE / 0, ValueError, "expected finite numbers, got NaN or infinity"),
    "one channel": (PICTURE[:1], ValueError, r"expected three channels, shape \(3, H, W\), got \(1, 16, 16\)"),
    "a batch": (PICTURE[None], ValueError, r"expected three channels, shape \(3, H, W\), got \(1, 3, 16, 16\)"),
    "no pixels": (PICTURE[:, :0], ValueError, r"expected three channels, shape \(3, H, W\), got \(3, 0, 16\)"),
    "no numbers": (PICTURE.to("meta"), ValueError, "expected a tensor with numbers, got one on the device meta"),
}


@pytest.mark.parametrize("score", [psnr, ssim])
@pytest.mark.parametrize("what", PICTURES)
def test_what_is_no_picture_is_refused_by_name(score, what):
    bad, kind, words = PICTURES[what]
    with pytest.raises(kind, match=f"^a: {words}"):
        score(bad, PICTURE)
    with pytest.raises(kind, match=f"^b: {words}"):
        score(PICTURE, bad)


@pytest.mark.parametrize("score", [psnr, ssim])
def test_pictures_of_two_sizes_are_refused_and_two_from_0_to_1_get_a_warning(score):
    with pytest.raises(ValueError, match=r"^b: expected the shape of a, \(3, 16, 16\), got \(3, 16, 12\)"):
        score(PICTURE, PICTURE[:, :, :12])
    unit = (PICTURE + 1) / 2
    with pytest.warns(UserWarning, match=r"^a, b: expected pictures in \[-1, 1\], got no number below 0"):
        score(unit, unit.flip(1))
    score(unit, PICTURE)  # one bright picture is no sign of another scale


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_floating_types_and_gradients_are_scored_as_float32_is(dtype):
    other = PICTURE.flip(1).to(dtype)
    for score in (psnr, ssim):
        assert score(PICTURE.to(dtype).float(), other.float()) == pytest.approx(score(PICTURE.to(dtype), other))
        assert score(PICTURE.clone().requires_grad_(), other) == score(PICTURE, other)


@pytest.mark.parametrize(
    ("where", "kind", "words"),
    [
        (EVERYWHERE.float(), TypeError, r"expected a tensor of truth values \(H, W\), got torch.float32"),
        (np.ones((16, 16), bool), TypeError, r"expected a tensor of truth values \(H, W\), got ndarray"),
        (EVERYWHERE[None], ValueError, r"expected the pictures' shape \(16, 16\), got \(1, 16, 16\)"),
        (EVERYWHERE[:, :8], ValueError, r"expected the pictures' shape \(16, 16\), got \(16, 8\)"),
        (EVERYWHERE.to("meta"), ValueError, "expected a tensor with numbers, got one on the device meta"),
        (~EVERYWHERE, ValueError, "expected at least one pixel, got none"),
    ],
)
def test_what_is_no_region_of_the_pictures_is_refused(where, kind, words):
    with pytest.raises(kind, match=f"^where: {words}"):
        psnr(PICTURE, PICTURE.flip(1), where)


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        (VECTORS.long(), TypeError, r"expected a float tensor \(N, F\) of embeddings, got torch.int64"),
        (VECTORS.tolist(), TypeError, r"expected a float tensor \(N, F\) of embeddings, got list"),
        (VECTORS[0], ValueError, r"expected embeddings of shape \(N, F\), got \(4,\)"),
        (VECTORS[:0], ValueError, r"expected embeddings of shape \(N, F\), got \(0, 4\)"),
        (VECTORS * torch.nan, ValueError, "expected finite numbers, got NaN or infinity"),
        (torch.zeros(2, 4), ValueError, "expected embeddings that point somewhere, got one of length zero"),
        (VECTORS.to("meta"), ValueError, "expected a tensor with numbers, got one on the device meta"),
    ],
)
def test_what_are_no_embeddings_is_refused_by_name(bad, kind, words):
    for name, pair in {"a": (bad, VECTORS), "b": (VECTORS, bad)}.items():
        with pytest.raises(kind, match=f"^{name}: {words}"):
            csim(*pair)


def test_embeddings_of_other_pairs_are_refused():
    with pytest.raises(ValueError, match=r"^b: expected embeddings of shape \(2, 4\), got \(2, 3\)"):
        csim(VECTORS, VECTORS[:, :3])
