"""Feature networks: VGG-19 layer by layer, the stand-in, scales, Gram matrices; and files that are not VGG-19's."""

import pytest
import torch
from torch import Tensor, nn

from flow3d.training import Features, HeadFeatures, Perceptual, PyramidFeatures, VGG19Features, gram, region_distance
from flow3d.training.perceptual import perceptual
from tolerances import TRAINING

# Position in torchvision's features, and channels in and out, of the 13 convolutions up to relu5_1.
CONVOLUTIONS = {
    0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256),
    16: (256, 256), 19: (256, 512), 21: (512, 512), 23: (512, 512), 25: (512, 512), 28: (512, 512),
}  # fmt: skip


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def random_state() -> dict[str, Tensor]:
    """As torchvision's file: all 16 convolutions, and something of the classifier."""
    generator = torch.Generator().manual_seed(0)
    shapes = CONVOLUTIONS | {30: (512, 8), 32: (8, 8), 34: (8, 8)}  # after relu5_1: present, never read
    state = {"classifier.6.bias": torch.zeros(1000)}
    for number, (inputs, outputs) in shapes.items():
        state[f"features.{number}.weight"] = (
            torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        )
        state[f"features.{number}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    return state


@pytest.fixture(scope="module")
def state():
    return random_state()


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def vgg(file):
    return VGG19Features(file)


def test_vgg_has_the_documented_layers(vgg):
    found = {
        k: (layer.in_channels, layer.out_channels)
        for k, layer in enumerate(vgg.features)
        if isinstance(layer, nn.Conv2d)
    }
    assert found == CONVOLUTIONS
    assert [k for k, layer in enumerate(vgg.features) if isinstance(layer, nn.MaxPool2d)] == [4, 9, 18, 27]
    assert len(vgg.features) == 30
    assert vgg.TAPS == (1, 6, 11, 20, 29)
    assert all(isinstance(vgg.features[k], nn.ReLU) for k in vgg.TAPS)
    assert sum(p.numel() for p in vgg.parameters()) == 12_944_960


def test_vgg_maps_have_the_documented_shapes_and_no_negative_value(vgg):
    maps = vgg(noise(2, 3, 32, 48))
    assert [tuple(m.shape) for m in maps] == [
        (2, 64, 32, 48), (2, 128, 16, 24), (2, 256, 8, 12), (2, 512, 4, 6), (2, 512, 2, 3),
    ]  # fmt: skip
    assert all(0 <= m.min() < m.max() for m in maps)


def test_vgg_sees_images_as_imagenet_wants_them(vgg, state):
    grey = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1) * 2 - 1  # ImageNet's mean colour: zero within
    first = vgg(grey.expand(1, 3, 16, 16))[0]
    expected = state["features.0.bias"].relu().view(1, 64, 1, 1).expand_as(first)
    torch.testing.assert_close(first, expected, rtol=0, atol=TRAINING["mean colour"][0])
    white = vgg(torch.ones(1, 3, 16, 16))[0][0, :, 8, 8]
    inside = ((1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])).view(1, 3)
    by_hand = (state["features.0.weight"].sum((2, 3)) @ inside[0] + state["features.0.bias"]).relu()
    torch.testing.assert_close(white, by_hand, rtol=0, atol=TRAINING["mean colour"][0])


def test_vgg_is_frozen_and_lets_gradients_through(vgg, file):
    assert not any(p.requires_grad for p in VGG19Features(file).parameters())
    image = noise(1, 3, 16, 16).requires_grad_()
    Perceptual(vgg).distance(image, noise(1, 3, 16, 16, seed=1)).backward()
    assert image.grad is not None
    assert image.grad.abs().sum() > 0


def test_the_name_tells_other_weights_apart(vgg, state, tmp_path):
    other = dict(state)
    other["features.28.bias"] = state["features.28.bias"] + 1
    torch.save(other, tmp_path / "other.pth")
    assert vgg.name.startswith("VGG-19 (weights ")
    assert VGG19Features(tmp_path / "other.pth").name != vgg.name


def test_a_file_in_the_folder_of_torch_hub_is_found(file, vgg, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="weights: expected torchvision's vgg19 state dict, got no file at"):
        VGG19Features()
    place = tmp_path / "hub" / "checkpoints"
    place.mkdir(parents=True)
    (place / VGG19Features.FILE).symlink_to(file)
    assert VGG19Features().name == vgg.name


def test_a_missing_file_is_named_and_nothing_takes_its_place(tmp_path):
    for path in (tmp_path / "none.pth", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"no file at {path}; 'pyramid' needs none"):
            perceptual("vgg19", weights=path)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file_is_refused(kept, zipped, tmp_path):
    torch.save(
        {f"features.{k}.weight": torch.zeros(100, 100) for k in range(4)},
        tmp_path / "whole.pth",
        _use_new_zipfile_serialization=zipped,
    )
    content = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "part.pth").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(ValueError, match=r"weights: expected a whole state dict, cannot read .*part\.pth"):
        VGG19Features(tmp_path / "part.pth")


def test_a_file_of_something_else_is_refused(state, tmp_path):
    path = tmp_path / "vgg.pth"
    path.write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="expected a whole state dict, cannot read"):
        VGG19Features(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="expected a state dict, got list"):
        VGG19Features(path)
    torch.save({"state_dict": {}}, path)
    with pytest.raises(ValueError, match=r"expected VGG-19's features\.0\.weight of shape \(64, 3, 3, 3\), got None"):
        VGG19Features(path)
    torch.save({k: v for k, v in state.items() if "16" not in k}, path)  # as VGG-16, which has no such layer
    with pytest.raises(ValueError, match=r"features\.16\.weight of shape \(256, 256, 3, 3\), got None"):
        VGG19Features(path)
    torch.save(state | {"features.5.bias": torch.zeros(64)}, path)
    with pytest.raises(ValueError, match=r"features\.5\.bias of shape \(128,\), got \(64,\)"):
        VGG19Features(path)
    torch.save(state | {"features.7.bias": torch.full((128,), torch.nan)}, path)
    with pytest.raises(ValueError, match=r"expected finite numbers, got NaN or infinity in features\.7\.bias"):
        VGG19Features(path)


class Program:
    """What a hostile file would run."""

    def __reduce__(self):
        return (print, ("this must not run",))


def test_a_file_that_would_run_something_is_refused(tmp_path, capsys):
    torch.save({"features.0.weight": Program()}, tmp_path / "bad.pth")
    with pytest.raises(ValueError, match="expected a whole state dict"):
        VGG19Features(tmp_path / "bad.pth")
    assert "must not run" not in capsys.readouterr().out


@pytest.mark.parametrize(("size", "vgg_scales", "pyramid_scales"), [(256, 4, 4), (64, 3, 4), (32, 2, 3), (16, 1, 2)])
def test_as_many_scales_as_fit(size, vgg_scales, pyramid_scales, vgg):
    assert Perceptual(vgg).scales_of(size, size) == vgg_scales
    assert Perceptual(PyramidFeatures()).scales_of(size, 2 * size) == pyramid_scales
    assert Perceptual(vgg, 1).scales_of(size, size) == 1


def test_every_scale_can_be_computed(vgg):
    maps = Perceptual(vgg).pyramid(noise(1, 3, 64, 64))
    assert [m[-1].shape[-1] for m in maps] == [4, 2, 1]
    odd = Perceptual(PyramidFeatures()).pyramid(noise(1, 3, 35, 33))
    assert [tuple(m[0].shape[-2:]) for m in odd] == [(35, 33), (17, 16), (8, 8)]


def test_an_image_too_small_is_refused(vgg):
    judge = Perceptual(vgg)
    small = noise(1, 3, 15, 64)
    for measure in (judge.distance, judge.style):
        with pytest.raises(ValueError, match=r"images: expected at least 16 px for VGG-19 \(weights .*\), got 15"):
            measure(small, small)


def test_the_stand_in_is_the_same_everywhere_and_says_what_it_is():
    image = noise(1, 3, 16, 16)
    maps, again, other = PyramidFeatures()(image), PyramidFeatures()(image), PyramidFeatures(seed=1)(image)
    assert [tuple(m.shape) for m in maps] == [
        (1, 3, 16, 16), (1, 3, 16, 15), (1, 3, 15, 16), (1, 12, 16, 16), (1, 24, 8, 8),
    ]  # fmt: skip
    assert all(torch.equal(a, b) for a, b in zip(maps, again, strict=True))
    assert not torch.equal(maps[3], other[3])
    assert "not VGG-19" in PyramidFeatures().name
    assert not list(PyramidFeatures().parameters())
    assert not PyramidFeatures().state_dict()


def test_the_gram_matrix_of_constant_features_by_hand():
    maps = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(1, 3, 4, 5)
    expected = torch.tensor([[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]]]) / 3
    torch.testing.assert_close(gram(maps), expected, rtol=TRAINING["by hand"][0], atol=0)


def test_the_gram_matrix_is_of_each_image_and_in_float32():
    maps = noise(2, 4, 3, 3)
    assert torch.equal(gram(maps)[1], gram(maps[1:])[0])
    halves = gram(torch.full((1, 2, 64, 64), 200.0, dtype=torch.float16))  # 64 * 64 * 200^2 is beyond float16
    assert halves.dtype == torch.float32
    assert halves.flatten().tolist() == [20_000.0] * 4


def test_mixed_precision_does_not_reach_the_distance():
    judge, one, other = Perceptual(PyramidFeatures()), noise(1, 3, 16, 16), noise(1, 3, 16, 16, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = judge.distance(one, other), judge.style(one, other)
    assert inside[0].dtype == torch.float32
    assert torch.equal(torch.stack(inside), torch.stack([judge.distance(one, other), judge.style(one, other)]))
    halves = one.half(), other.half()
    assert torch.equal(judge.distance(*halves), judge.distance(halves[0].float(), halves[1].float()))


def test_a_pyramid_made_earlier_gives_the_same(vgg):
    for judge in (Perceptual(vgg), Perceptual(PyramidFeatures())):
        one, other = noise(1, 3, 32, 32), noise(1, 3, 32, 32, seed=1)
        first, second = judge.pyramid(one), judge.target(other)
        assert torch.equal(judge.distance(first, second), judge.distance(one, other))
        assert torch.equal(judge.style(first, second), judge.style(one, other))


def test_a_pyramid_of_other_features_is_refused(vgg):
    image = noise(1, 3, 16, 16)
    with pytest.raises(ValueError, match="target: expected feature maps of the shapes"):
        Perceptual(PyramidFeatures()).distance(image, Perceptual(vgg).target(image))


def test_a_weight_for_each_pixel_is_an_extension():
    judge = Perceptual(PyramidFeatures())
    one, other = noise(1, 3, 16, 16), noise(1, 3, 16, 16, seed=1)
    weight = torch.ones(1, 1, 16, 16)
    plain = judge.distance(one, other)
    torch.testing.assert_close(region_distance(judge, one, other, weight), plain, rtol=TRAINING["by hand"][0], atol=0)
    torch.testing.assert_close(
        region_distance(judge, one, other, 3 * weight), 3 * plain, rtol=TRAINING["by hand"][0], atol=0
    )
    weight[..., 8:] = 0
    changed = one.clone()
    changed[..., 14:] = 0.0  # far enough inside that no convolution reaches it at the coarsest scale of 8 px
    judge = Perceptual(PyramidFeatures(), 1)
    assert region_distance(judge, one, other, weight) == region_distance(judge, changed, other, weight)
    assert judge.distance(one, other) != judge.distance(changed, other)


def test_features_are_chosen_by_the_caller(file, vgg):
    assert perceptual("vgg19", weights=file).name == f"{vgg.name}, 4 scales at most"
    assert perceptual("pyramid", scales=1).name == f"{PyramidFeatures().name}, 1 scale at most"
    assert perceptual("head", scales=2).name == f"{HeadFeatures().name}, 2 scales at most"
    assert perceptual(vgg).features is vgg
    assert isinstance(vgg, Features)
    with pytest.raises(
        ValueError, match="features: expected 'vgg19', 'head', 'pyramid' or a feature network, got 'vgg'"
    ):
        perceptual("vgg")
    with pytest.raises(ValueError, match=r"weights: expected a feature network that loads some, .* got 'pyramid'"):
        perceptual("pyramid", weights=file)
    with pytest.raises(ValueError, match="scales: expected at least 1, got 0"):
        perceptual("pyramid", scales=0)


def test_a_feature_network_of_ones_own_is_frozen():
    class Own(nn.Module):
        name, smallest = "own", 4

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Dropout())

        def forward(self, images: Tensor) -> list[Tensor]:
            return [self.layer(images)]

    own = Own()
    judge = perceptual(own)
    assert not own.training
    assert not own.layer[0].weight.requires_grad
    image = noise(1, 3, 8, 8)
    assert judge.distance(image, image) == 0  # dropout would make it positive
