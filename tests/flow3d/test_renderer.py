"""The four stages joined: shapes, what depends on what, files, and every refusal.

Tests: morphable.transfer, stages.
"""

import tracemalloc
from typing import Any

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets import Pair, make_pair
from flow3d.evaluation.measure.method import renderer_method
from flow3d.morphable import Coefficients, talking_head
from flow3d.morphable.coefficients import CROP, index
from flow3d.morphable.transfer import correct_crop, relative_windows
from flow3d.renderer import window_of
from flow3d.warping import flow_to_image

PAIR = make_pair(44, size=32)
PICTURES = {"warped", "refined", "alpha", "composite", "hole", "output"}


@pytest.fixture(params=["strict", "extended"])
def renderer(request) -> FlowRenderer:
    torch.manual_seed(0)
    return FlowRenderer(preset("micro", request.param)).eval()


def frames_of(renderer: FlowRenderer, windows, **options) -> list[torch.Tensor]:
    given: dict[str, Any] = {"alpha": PAIR.source_alpha, "source_window": PAIR.source_window, **options}
    return list(renderer.reenact(PAIR.source, windows, **given))


def test_one_frame_for_every_window(renderer):
    frames = frames_of(renderer, talking_head(5, 1).windows(), batch=2)
    assert len(frames) == 5
    for frame in frames:
        assert frame.shape == (3, 32, 32)
        assert frame.abs().max() <= 1
        assert torch.isfinite(frame).all()


def test_frames_carry_no_gradients(renderer):
    assert not any(frame.requires_grad for frame in frames_of(renderer, talking_head(2, 1).windows(), batch=1))


def test_coefficients_and_their_windows_are_the_same(renderer):
    motion = talking_head(3, 1)
    for a, b in zip(frames_of(renderer, motion), frames_of(renderer, motion.windows()), strict=True):
        assert torch.equal(a, b)
    causal = frames_of(renderer, motion, causal=True)
    assert any(not torch.equal(a, b) for a, b in zip(causal, frames_of(renderer, motion), strict=True))


def test_every_stage_has_its_name(renderer):
    ready = renderer.prepare(PAIR.source, PAIR.source_alpha, PAIR.source_window)
    stages = renderer.stages(ready, PAIR.driving_window[None])
    pictures = stages.pictures()
    extra = {"pixels", "mask"} if renderer.config.rgb_warp else set()
    assert set(pictures) == PICTURES | extra
    values = [*pictures.values(), stages.volume, stages.flow, stages.pixel_flow, stages.painted, stages.z]
    assert all(len(value) == 1 for value in values)
    for name in ("alpha", "hole"):
        assert pictures[name].min() >= 0
        assert pictures[name].max() <= 1


def test_a_frame_asks_the_mapping_and_the_flow_network_once(renderer):
    calls = []
    for network in (renderer.mapping, renderer.warping.flow_network.head):
        network.register_forward_hook(lambda *_, n=network: calls.append(n))
    ready = renderer.prepare(PAIR.source, PAIR.source_alpha, PAIR.source_window)
    calls.clear()
    renderer_method(renderer)(PAIR.source, PAIR.source_alpha, PAIR.source_window, PAIR.driving_window[None])
    assert len(calls) == 3  # the mapping of the source's motion, then one of each for the frame
    calls.clear()
    renderer.stages(ready, PAIR.driving_window[None])
    assert len(calls) == 2


def test_the_pixel_flow_of_a_strict_model_is_the_mean_over_depth():
    model = FlowRenderer(preset("micro")).eval()
    stages = model.stages(model.prepare(PAIR.source, PAIR.source_alpha), PAIR.driving_window[None])
    assert torch.equal(stages.pixel_flow, flow_to_image(stages.flow, None, 32))


def test_a_strict_model_keeps_the_sources_matte_at_the_start():
    model = FlowRenderer(preset("micro")).eval()
    ready = model.prepare(PAIR.source, PAIR.source_alpha)
    stages = model.stages(ready, PAIR.driving_window[None])
    torch.testing.assert_close(stages.alpha[0], PAIR.source_alpha)
    assert stages.hole.max() <= 0.25  # alpha (1 - alpha): only at soft edges


def test_background_that_is_known_stays_to_the_bit():
    model = FlowRenderer(preset("micro", "extended").replace(paste_person=False, background_plate=False)).eval()
    hole, known = torch.zeros(1, 1, 32, 32), torch.ones(1, 1, 32, 32)
    known[..., :16] = 0
    output = model.inpainter(PAIR.source[None], hole, torch.zeros(1, model.config.z_length), known)[0]
    assert torch.equal(output[..., 16:], PAIR.source[..., 16:])
    assert (output - PAIR.source)[..., :16].abs().max() > 0.1
    strict = FlowRenderer(preset("micro")).eval()
    z = torch.zeros(1, strict.config.z_length)
    assert (strict.inpainter(PAIR.source[None], hole, z, known)[0] - PAIR.source).abs().max() > 0.1


def test_a_person_that_is_kept_stays_and_the_hole_alone_is_painted():
    model = FlowRenderer(preset("micro", "extended")).eval()
    ready = model.prepare(PAIR.source, PAIR.source_alpha, PAIR.source_window)
    stages = model.stages(ready, PAIR.driving_window[None])
    hole, z = stages.hole, model.mapping(PAIR.driving_window[None])
    assert hole.max() > 0.5
    whole = (hole == 0).expand(-1, 3, -1, -1)
    assert torch.equal(stages.output[whole], stages.composite[whole])
    painted = model.inpainter(stages.composite, hole, z)  # the network's own picture
    full = torch.ones_like(hole)
    blank = torch.full_like(painted, -1.0)
    torch.testing.assert_close(model.inpainter(blank, full, z, 1 - full), model.inpainter(blank, full, z))
    assert (painted - stages.output).abs().max() > 0.1


def test_memory_does_not_grow_with_the_clip():
    model = FlowRenderer(preset("micro")).eval()
    window = PAIR.driving_window[None]

    def peak(count: int) -> int:
        tracemalloc.start()
        for _ in model.reenact(PAIR.source, window.expand(count, -1, -1), alpha=PAIR.source_alpha):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(8)
    assert peak(160) < 2 * peak(16)


def test_files_bring_the_same_renderer_back(renderer, tmp_path):
    renderer.save_pretrained(tmp_path / "a", "A test.")
    names = {path.name for path in (tmp_path / "a").iterdir()}
    networks = {f"{name}.safetensors" for name in ("mapping", "warping", "refiner", "inpainter")}
    assert names == networks | {"config.json", "README.md"}
    assert renderer.config.recipe in (tmp_path / "a" / "README.md").read_text()
    again = FlowRenderer.from_pretrained(tmp_path / "a")
    assert again.config == renderer.config
    motion = talking_head(2, 1)
    for a, b in zip(frames_of(renderer, motion), frames_of(again, motion), strict=True):
        assert torch.equal(a, b)


def test_broken_folders_are_refused_by_name(tmp_path):
    model, folder = FlowRenderer(preset("micro")), tmp_path / "m"
    with pytest.raises(FileNotFoundError, match="nothing"):
        FlowRenderer.from_pretrained("nothing")
    model.save_pretrained(folder)
    whole = (folder / "refiner.safetensors").read_bytes()
    (folder / "refiner.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"refiner\.safetensors: expected whole safetensors"):
        FlowRenderer.from_pretrained(folder)
    (folder / "refiner.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected refiner\.safetensors"):
        FlowRenderer.from_pretrained(folder)
    FlowRenderer(preset("tiny")).save_pretrained(tmp_path / "t")
    (folder / "refiner.safetensors").write_bytes((tmp_path / "t" / "refiner.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"refiner\.safetensors: expected .* as micro \(strict\) has it, got"):
        FlowRenderer.from_pretrained(folder)
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected config\.json"):
        FlowRenderer.from_pretrained(folder)


@pytest.mark.usefixtures("no_shape_checks")
def test_what_cannot_be_reenacted_is_refused_by_name():
    model, motion = FlowRenderer(preset("micro", "extended")), talking_head(2, 1).windows()
    good: dict[str, Any] = {"alpha": PAIR.source_alpha, "source_window": PAIR.source_window}

    def run(source=PAIR.source, windows=motion, **options):
        next(model.reenact(source, windows, **(good | options)))

    with pytest.raises(ValueError, match=r"source: expected shape \(3, 32, 32\) for preset micro, got \(3, 64, 64\)"):
        run(source=torch.zeros(3, 64, 64))
    with pytest.raises(ValueError, match="source: expected finite"):
        run(source=torch.full((3, 32, 32), torch.nan))
    with pytest.raises(ValueError, match="driving_windows: expected shape"):
        run(windows=motion[:0])
    with pytest.raises(ValueError, match="driving_windows: expected finite"):
        run(windows=motion * torch.inf)
    with pytest.raises(ValueError, match="motion: expected 'absolute' or 'relative'"):
        run(motion="both")
    with pytest.raises(ValueError, match="source_window: expected 73 x 27 finite numbers"):
        run(source_window=torch.zeros(73, 26))
    with pytest.raises(ValueError, match=r"source: expected shape \(3, 32, 32\)"):
        run(source=torch.zeros(3, 64, 64), source_window=None, motion="relative")
    with pytest.raises(ValueError, match="alpha: expected shape"):
        run(alpha=torch.zeros(1, 16, 16))


def test_a_matte_is_found_where_none_is_given(renderer):
    given: dict[str, Any] = {"source_window": PAIR.source_window}
    assert next(renderer.reenact(PAIR.source, PAIR.driving_window[None], **given)).shape == (3, 32, 32)
    asked = []

    def everything(image: torch.Tensor) -> torch.Tensor:
        asked.append(tuple(image.shape))
        return torch.ones_like(image[:1])

    next(renderer.reenact(PAIR.source, PAIR.driving_window[None], alpha=everything, **given))
    assert asked == [(3, 32, 32)]


@pytest.fixture
def moved_by_the_source() -> FlowRenderer:
    """A renderer whose output depends on the source's motion: fresh ones do not, their last flow layer is zero.

    It listens to what a picture shows best: pose, jaw and blinks.
    """
    torch.manual_seed(0)
    model = FlowRenderer(preset("micro", "extended")).eval()
    model.mapping.standardise(torch.cat([talking_head(100, seed).values for seed in range(20)]))
    shown = [index(name) for name in ("pitch", "yaw", "roll", "jaw_open", "blink_right", "blink_left")]
    unheard = torch.ones(73, dtype=torch.bool)
    unheard[shown] = False
    model.mapping.std[unheard] = 1e6
    with torch.no_grad():
        for parameter in model.warping.parameters():
            parameter.add_(0.03 * torch.randn(parameter.shape))
    return model


@torch.no_grad()
def test_the_regressor_is_asked_where_no_window_is_given(moved_by_the_source):
    strange, off, far = talking_head(1, 9).windows()[0], 0.0, 0.0
    for pair in (make_pair(seed, size=32) for seed in range(44, 48)):
        still = pair.source_window[:, 13:14].expand(73, 27).contiguous()  # a picture cannot tell what came before

        def output(window: torch.Tensor | None, pair: Pair = pair, **options: Any) -> torch.Tensor:
            given: dict[str, Any] = {"alpha": pair.source_alpha, "source_window": window, **options}
            return next(moved_by_the_source.reenact(pair.source, pair.driving_window[None], **given))

        exact, asked = output(still), output(None)
        off += float((asked - exact).square().mean().sqrt())
        far += float((output(strange) - exact).square().mean().sqrt())
        seen = window_of(pair.source)
        assert torch.equal(asked, output(seen))
        assert torch.equal(output(None, motion="relative"), output(seen, motion="relative"))
    assert off < 0.5 * far  # measured 0.32


def test_relative_motion_starts_at_the_source():
    driver, source = talking_head(30, 2), talking_head(30, 3)
    windows, here = driver.windows(), source.windows()[7]
    moved = relative_windows(windows, here)
    torch.testing.assert_close(moved[0, :, 13], here[:, 13])
    change = driver["yaw"][9] - driver["yaw"][0]
    torch.testing.assert_close(moved[9, index("yaw"), 13], here[index("yaw"), 13] + change)
    ratio = driver["crop_scale"][9] / driver["crop_scale"][0]
    torch.testing.assert_close(moved[9, CROP.start, 13], here[CROP.start, 13] * ratio)


def test_the_crop_is_corrected_at_the_most_similar_frame():
    frames = Coefficients.neutral(3).replace(
        yaw=torch.tensor([0.5, 0.1, -0.4]), crop_scale=torch.tensor([1.0, 2.0, 3.0])
    )
    source = Coefficients.neutral().replace(yaw=0.12, crop_scale=1.5).windows()[0]
    corrected = correct_crop(frames.windows(), source)[:, CROP.start, 13]
    torch.testing.assert_close(corrected, torch.tensor([1.0, 2.0, 3.0]) * 1.5 / 2.0)
