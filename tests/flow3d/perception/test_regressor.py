"""The coefficient regressor: shapes, files, refusals; and how well the shipped weights see persons they never saw."""

import json
from itertools import product

import pytest
import torch
from torch import Tensor

from flow3d.datasets.pairs import driver_of
from flow3d.morphable import Coefficients, Person, talking_head
from flow3d.morphable.coefficients import index
from flow3d.perception import CoefficientRegressor, RegressorConfig
from tolerances import REGRESSOR

SMALL = RegressorConfig("small", channels=(4, 6, 8, 10, 12), blocks=(0, 1, 0, 0, 0), hidden=16)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture
def regressor() -> CoefficientRegressor:
    torch.manual_seed(0)
    return CoefficientRegressor(SMALL)


def test_five_maps_of_half_the_size_each(regressor):
    assert [tuple(m.shape) for m in regressor.maps(noise(2, 3, 64, 64))] == [
        (2, 4, 32, 32), (2, 6, 16, 16), (2, 8, 8, 8), (2, 10, 4, 4), (2, 12, 2, 2),
    ]  # fmt: skip
    assert [tuple(m.shape[2:]) for m in regressor.maps(noise(1, 3, 35, 33))][-1] == (2, 1)
    assert all(m.min() >= 0 for m in regressor.maps(noise(2, 3, 32, 32)))


def test_position_is_seen(regressor):
    image = torch.full((1, 3, 64, 64), -1.0)
    image[..., 8:16, 8:16] = 1
    moved = image.roll(32, 3)
    deep, elsewhere = (regressor.maps(x)[1][0] for x in (image, moved))
    assert (deep.roll(8, 2) - elsewhere).abs().max() > 0.1  # equal but for the coordinates that go in


def test_one_row_for_every_frame_and_no_gradient(regressor):
    regressor.train()
    for size in (16, 32, 64, 100):
        said = regressor.predict(noise(5, 3, size, size))
        assert isinstance(said, Coefficients)
        assert len(said) == 5
    assert regressor.training
    assert regressor.identity(noise(2, 3, 64, 64)).shape == (2, 80)
    assert not regressor.answer(noise(2, 3, 64, 64)).requires_grad


def test_frames_are_seen_in_chunks(regressor):
    seen: list[int] = []
    regressor.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    frames = noise(7, 3, 64, 64)
    few = regressor.answer(frames, batch=3)
    assert seen == [3, 3, 1]
    torch.testing.assert_close(few, regressor.answer(frames), rtol=0, atol=REGRESSOR["batches"][0])


def test_windows_of_a_clip_and_of_one_picture(regressor):
    frames = noise(4, 3, 64, 64)
    assert torch.equal(regressor.windows(frames), regressor.predict(frames).windows())
    assert torch.equal(regressor.windows(frames, causal=True), regressor.predict(frames).windows(causal=True))
    one = regressor.windows(frames[:1])
    assert one.shape == (1, 73, 27)
    assert torch.equal(one[0], regressor.predict(frames[:1]).values[0][:, None].expand(73, 27))


def test_answers_are_raw(regressor):
    frames = noise(3, 3, 64, 64)
    before = regressor.answer(frames)
    targets = noise(50, 153, seed=1) * torch.arange(153)
    regressor.standardise(targets)
    expected = before * regressor.std + targets.mean(0)
    torch.testing.assert_close(regressor.answer(frames), expected)
    assert regressor.std[0] == 1  # what never moves
    with pytest.raises(ValueError, match="targets: expected at least 2 frames, got 1"):
        regressor.standardise(targets[:1])


def test_norms_are_folded_into_the_convolutions():
    torch.manual_seed(0)
    normed, frames = CoefficientRegressor(SMALL, norm=True), noise(8, 3, 64, 64)
    for _ in range(3):
        normed(frames)
    plain = normed.folded()
    assert all(module.training for module in normed.modules())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in plain.modules())
    torch.testing.assert_close(plain(frames), normed.eval()(frames), rtol=0, atol=REGRESSOR["folded"][0])


def test_files_bring_the_same_regressor_back(regressor, tmp_path):
    regressor.standardise(noise(50, 153))
    folder = regressor.save_pretrained(tmp_path / "a", "A test.")
    assert {p.name for p in folder.iterdir()} == {"regressor.safetensors", "config.json", "README.md"}
    assert "for training" in (folder / "README.md").read_text()
    again = CoefficientRegressor.from_pretrained(folder)
    assert again.config == SMALL
    assert not again.training
    assert torch.equal(again.answer(noise(2, 3, 64, 64)), regressor.answer(noise(2, 3, 64, 64)))


@pytest.mark.usefixtures("no_shape_checks")
def test_broken_folders_are_refused_by_name(regressor, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder that holds config\.json, got 'nobody'"):
        CoefficientRegressor.from_pretrained("nobody")
    folder = regressor.save_pretrained(tmp_path / "a")
    file, config = folder / "regressor.safetensors", folder / "config.json"
    whole, text = file.read_bytes(), config.read_text()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"regressor\.safetensors: expected whole safetensors"):
        CoefficientRegressor.from_pretrained(folder)
    CoefficientRegressor().save_pretrained(tmp_path / "b")
    file.write_bytes((tmp_path / "b" / "regressor.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"regressor\.safetensors: expected .* as small has it, got"):
        CoefficientRegressor.from_pretrained(folder)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"expected regressor\.safetensors"):
        CoefficientRegressor.from_pretrained(folder)
    for content, message in (
        ("{", "text: expected JSON"),
        ("[]", "text: expected an object"),
        (json.dumps(json.loads(text) | {"chanels": 3}), "the nearest is 'channels'"),
        (json.dumps(json.loads(text) | {"purpose": "fun"}), "purpose: expected 'training' or 'scoring', got 'fun'"),
        (json.dumps(json.loads(text) | {"blocks": [1]}), "blocks: expected 5 values"),
    ):
        config.write_text(content)
        with pytest.raises(ValueError, match=message):
            CoefficientRegressor.from_pretrained(folder)
    config.unlink()
    with pytest.raises(FileNotFoundError, match=r"expected config\.json"):
        CoefficientRegressor.from_pretrained(folder)


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TypeError, "frames: expected a float tensor .* got torch.uint8"),
        (torch.zeros(3, 64, 64), ValueError, r"frames: expected shape \(N, 3, H, W\) with N > 0, got \(3, 64, 64\)"),
        (torch.zeros(0, 3, 64, 64), ValueError, "frames: expected shape .* with N > 0, got"),
        (torch.zeros(1, 1, 64, 64), ValueError, "frames: expected shape"),
        (torch.zeros(1, 3, 64, 48), ValueError, "frames: expected square pictures of 16 px or more, got 64 x 48"),
        (torch.zeros(1, 3, 8, 8), ValueError, "frames: expected square pictures of 16 px or more, got 8 x 8"),
        (torch.full((1, 3, 64, 64), 255.0), ValueError, r"finite numbers in \[-1, 1\], got 255 to 255"),
        (torch.full((1, 3, 64, 64), torch.nan), ValueError, r"finite numbers in \[-1, 1\], got nan"),
    ],
)
def test_what_is_no_frame_is_refused_by_name(regressor, frames, error, message):
    for ask in (regressor.predict, regressor.identity, regressor.windows):
        with pytest.raises(error, match=message):
            ask(frames)


@pytest.fixture(scope="module")
def shots() -> list:
    people = [(Person.random(seed), talking_head(126, seed)) for seed in range(1_200_000, 1_200_006)]
    return [(person, motion.frame(25 * k)) for (person, motion), k in product(people, range(6))]


@pytest.fixture(scope="module")
def truth(shots) -> Tensor:
    return torch.stack([row for _, row in shots])


@pytest.fixture(scope="module")
def rendered(shots) -> list:
    return [person.render(row, 64) for person, row in shots]


@pytest.fixture(scope="module")
def shipped() -> CoefficientRegressor:
    return CoefficientRegressor.from_pretrained("regressor")


def test_it_sees_pose_jaw_and_blinks_far_better_than_the_mean(shipped, rendered, truth):
    said = shipped.predict(torch.stack([frame.image for frame in rendered])).values
    mean = shipped.mean[:73]
    other = said[torch.arange(len(said)).roll(7)]  # the control: another frame's answer
    for name, limit in (("yaw", 0.25), ("pitch", 0.65), ("roll", 0.5), ("jaw_open", 0.5), ("blink_left", 0.5)):
        k = index(name)
        error, baseline, control = (
            (x - truth[:, k]).square().mean().sqrt() for x in (said[:, k], mean[k], other[:, k])
        )
        assert error < limit * baseline, name
        assert control > 0.9 * baseline, name
    yaw = (said - truth)[:, index("yaw")].square().mean().sqrt()
    assert torch.rad2deg(yaw) < REGRESSOR["yaw, degrees"][0]


def test_persons_cut_out_are_seen_too(shipped, rendered, truth):
    black = torch.stack([frame.alpha * (frame.foreground + 1) - 1 for frame in rendered])
    yaw = (shipped.predict(black).values - truth)[:, index("yaw")].square().mean().sqrt()
    assert torch.rad2deg(yaw) < REGRESSOR["yaw, degrees"][0]


def test_larger_pictures_are_seen_alike(shipped, shots, rendered):
    few = slice(0, 36, 6)
    large = torch.stack([person.render(row, 128).image for person, row in shots[few]])
    small = torch.stack([frame.image for frame in rendered[few]])
    gap = (shipped.predict(large).values - shipped.predict(small).values)[:, index("yaw")].abs().max()
    assert torch.rad2deg(gap) < REGRESSOR["yaw at 128 px, degrees"][0]


def test_the_shipped_one_may_train_and_saw_training_seeds_alone():
    config = CoefficientRegressor.from_pretrained("regressor").config
    assert config.purpose == "training"
    assert config.seeds is not None
    assert max(*config.seeds, *(driver_of(seed) for seed in config.seeds)) < 1_000_000
