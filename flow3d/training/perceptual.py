"""Feature networks: pictures (B,3,H,W) -> maps (B,C,h,w); perceptual and style distances of them (Eq. 2, 5 to 8)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from ..perception.regressor import CoefficientRegressor

SCALES = 4  # 1, 1/2, 1/4 and 1/8 of the image
Pyramid = list[list[Tensor]]  # for each scale, the feature maps (B,C,h,w)
Images = Float[Tensor, "B 3 H W"] | Pyramid  # a pyramid that is given is not computed again


@runtime_checkable
class Features(Protocol):
    """The network of a perceptual distance: images (B,3,H,W) in [-1, 1] -> a list of feature maps (B,C,h,w).

    Attributes:
        name: stands in every result, so that no two feature networks are mistaken for each other.
        smallest: shortest side in pixels that it accepts.
    """

    name: str
    smallest: int

    def __call__(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the feature maps."""
        ...


class VGG19Features(nn.Module):
    """VGG-19's five taps relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1, as in the paper.

    Args:
        weights: a state dict of torchvision's vgg19. None looks for torchvision's file in the local folder of
            ``torch.hub`` and nowhere else: nothing is ever downloaded.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is truncated or damaged, not a state dict, or that of another network.
    """

    CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)  # 0: max pooling
    TAPS = (1, 6, 11, 20, 29)  # positions in torchvision's ``features``
    FILE = "vgg19-dcbb9e9d.pth"
    smallest = 16  # relu5_1 lies behind four poolings
    mean: Tensor
    std: Tensor

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for channels in self.CHANNELS:
            layers += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()] if channels else [nn.MaxPool2d(2)]
            inputs = channels or inputs
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)
        state = _read_state(Path(torch.hub.get_dir(), "checkpoints", self.FILE) if weights is None else Path(weights))
        own = self.state_dict()
        for key, value in own.items():
            shape = tuple(getattr(state.get(key), "shape", ()))
            if shape != tuple(value.shape):
                raise ValueError(f"weights: expected VGG-19's {key} of shape {tuple(value.shape)}, got {shape or None}")
            if not torch.isfinite(state[key]).all():
                raise ValueError(f"weights: expected finite numbers, got NaN or infinity in {key}")
        self.load_state_dict({key: state[key] for key in own})
        self.requires_grad_(False).eval()
        digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in self.state_dict().values())).hexdigest()
        self.name = f"VGG-19 (weights {digest[:8]})"

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the five maps, of 64, 128, 256, 512 and 512 channels at 1, 1/2, 1/4, 1/8 and 1/16 of the size."""
        x, maps = ((images + 1) / 2 - self.mean) / self.std, []
        for number, layer in enumerate(self.features):
            x = layer(x)
            if number in self.TAPS:
                maps.append(x)
        return maps


class PyramidFeatures(nn.Module):
    """Pixels, their differences, and two random convolutions of a fixed seed: a stand-in that needs no weights.

    :class:`Perceptual` applies it at several scales. It responds to edges and textures, not to faces or objects.
    """

    CHANNELS = (12, 24)
    smallest = 8
    first: Tensor
    second: Tensor

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.name = f"pixel pyramid with random convolutions (seed {seed}), not VGG-19"
        generator = torch.Generator().manual_seed(seed)
        for name, inputs, outputs in (("first", 3, self.CHANNELS[0]), ("second", *self.CHANNELS)):
            kernel = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
            self.register_buffer(name, kernel, persistent=False)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return pixels, differences along x and y, 12 random features, and 24 at half the size."""
        first = functional.conv2d(images, self.first, padding=1).relu()
        second = functional.conv2d(first, self.second, stride=2, padding=1).relu()
        return [images, images.diff(dim=3), images.diff(dim=2), first, second]


class HeadFeatures(nn.Module):
    """Five taps of a regressor, which learned to read coefficients and identity from pictures of procedural heads.

    The stand-in for VGG-19 where its weights are missing: it knows eyes, mouths and poses of these heads, and nothing
    else. Each tap is scaled to a mean of one on held-out pictures, so that none outweighs the others.

    Args:
        weights: a regressor's folder, or the name of a shipped one; None means the shipped one for training. See
            :class:`flow3d.perception.CoefficientRegressor`.

    Raises:
        FileNotFoundError: no such folder or name, or a file of it is missing.
        ValueError: a damaged file, or a regressor that is kept for scoring and must never help to train.
    """

    smallest = 32  # five halvings

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.regressor = CoefficientRegressor.from_pretrained(weights)
        config = self.regressor.config
        if config.purpose != "training":
            raise ValueError(
                f"weights: expected a regressor for training, got {config.name!r}, kept for {config.purpose}"
            )
        self.requires_grad_(False).eval()
        digest = hashlib.sha256(b"".join(v.numpy().tobytes() for v in self.regressor.state_dict().values())).hexdigest()
        self.name = f"head features of regressor {config.name} (weights {digest[:8]}), not VGG-19"

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Return the five maps, of 1/2, 1/4, 1/8, 1/16 and 1/32 of the size."""
        return [m * s for m, s in zip(self.regressor.maps(images), self.regressor.scale, strict=True)]


class Perceptual(nn.Module):
    """Perceptual and style distance over one feature network. All is computed in float32, mixed precision or not.

    Images are (B,3,H,W) in [-1, 1]; an image's :meth:`pyramid` may stand in its place, so that losses can share it.
    Gradients reach the first argument of a distance, never the target. A feature module is frozen.

    Args:
        features: the feature network; its name becomes part of ``name``.
        scales: sizes at which images are compared, each half of the one before; fewer where an image is too small.
    """

    features: Features

    def __init__(self, features: Features, scales: int = SCALES) -> None:
        super().__init__()
        if scales < 1:
            raise ValueError(f"scales: expected at least 1, got {scales}")
        if isinstance(features, nn.Module):
            features.requires_grad_(False).eval()
        self.features, self.scales = features, scales
        self.name = f"{features.name}, {scales} scale{'s' if scales > 1 else ''} at most"

    def scales_of(self, height: int, width: int) -> int:
        """How many scales an image of this size is compared at.

        Raises:
            ValueError: the image is smaller than the feature network accepts.
        """
        side, smallest = min(height, width), self.features.smallest
        if side < smallest:
            raise ValueError(f"images: expected at least {smallest} px for {self.features.name}, got {side}")
        return min(self.scales, (side // smallest).bit_length())

    def pyramid(self, images: Float[Tensor, "B 3 H W"], scales: int | None = None) -> Pyramid:
        """The feature maps at each scale (default: all that fit); gradients pass."""
        maps, fitting = [], self.scales_of(*images.shape[-2:])
        with torch.autocast(images.device.type, enabled=False):
            x = images.float()
            for scale in range(min(scales or fitting, fitting)):
                if scale:
                    size = (x.shape[-2] // 2, x.shape[-1] // 2)
                    x = functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
                maps.append(self.features(x))
        return maps

    def target(self, images: Images, scales: int | None = None) -> Pyramid:
        """The feature maps of a true answer: as :meth:`pyramid`, without gradients."""
        if isinstance(images, Tensor):
            with torch.no_grad():
                return self.pyramid(images.detach(), scales)  # detached too: a map may be the image itself
        return [[m.detach() for m in maps] for maps in images[:scales]]

    def distance(self, image: Images, target: Images) -> Float[Tensor, ""]:
        """P: the sum over scales and layers of the mean absolute difference of the feature maps."""
        pairs = _pairs(self.pyramid(image) if isinstance(image, Tensor) else image, self.target(target))
        return torch.stack([(a - b).abs().mean() for a, b in pairs]).sum()

    def style(self, image: Images, target: Images) -> Float[Tensor, ""]:
        """S: the sum over layers, at full scale, of the mean absolute difference of the Gram matrices."""
        full = self.pyramid(image, 1) if isinstance(image, Tensor) else image[:1]
        return torch.stack([(gram(a) - gram(b)).abs().mean() for a, b in _pairs(full, self.target(target, 1))]).sum()


def gram(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C C"]:
    """The Gram matrix ``F F^T / (H W C)`` of each image (Eq. 8), in float32: half precision loses it at lambda 1000."""
    with torch.autocast(maps.device.type, enabled=False):
        rows = maps.float().flatten(2)  # (B, C, H W)
        return rows @ rows.mT / rows[0].numel()


def region_distance(
    judge: Perceptual, image: Images, target: Images, weight: Float[Tensor, "B 1 H W"]
) -> Float[Tensor, ""]:
    """An extension, not the paper's: :meth:`Perceptual.distance` with a weight for each pixel.

    The weight is averaged down to each map. It is not normalised: 1 everywhere gives the plain distance.
    """
    pairs = _pairs(judge.pyramid(image) if isinstance(image, Tensor) else image, judge.target(target))
    weights = [functional.adaptive_avg_pool2d(weight.float(), (a.shape[2], a.shape[3])) for a, _ in pairs]
    return torch.stack([(w * (a - b).abs()).mean() for w, (a, b) in zip(weights, pairs, strict=True)]).sum()


def perceptual(
    features: str | Features, *, scales: int = SCALES, weights: str | os.PathLike[str] | None = None
) -> Perceptual:
    """The distance over a feature network that the caller chooses; there is no default and no fallback.

    Args:
        features: "vgg19", "head", "pyramid", or a feature network of your own.
        scales: see :class:`Perceptual`.
        weights: a file of :class:`VGG19Features`, or a folder of :class:`HeadFeatures`.

    Raises:
        ValueError: an unknown name, weights for something that takes none, or those of the regressor that scores.
        FileNotFoundError: "vgg19" without its weights, or no such folder.
    """
    if weights is not None and features not in ("vgg19", "head"):
        raise ValueError(f"weights: expected a feature network that loads some, 'vgg19' or 'head', got {features!r}")
    if not isinstance(features, str):
        return Perceptual(features, scales)
    if features not in ("vgg19", "head", "pyramid"):
        raise ValueError(f"features: expected 'vgg19', 'head', 'pyramid' or a feature network, got {features!r}")
    if features == "head":
        return Perceptual(HeadFeatures(weights), scales)
    return Perceptual(VGG19Features(weights) if features == "vgg19" else PyramidFeatures(), scales)


def _pairs(image: Pyramid, target: Pyramid) -> list[tuple[Tensor, Tensor]]:
    shapes = [[tuple(m.shape) for maps in pyramid for m in maps] for pyramid in (image, target)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"target: expected feature maps of the shapes {shapes[0]}, got {shapes[1]}")
    scales = zip(image, target, strict=True)
    return [(a, b) for image_maps, target_maps in scales for a, b in zip(image_maps, target_maps, strict=True)]


def _read_state(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"weights: expected torchvision's vgg19 state dict, got no file at {path}; 'pyramid' needs none"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can fail in any way
        reason = str(error).partition("\n")[0]
        raise ValueError(f"weights: expected a whole state dict, cannot read {path} ({reason})") from error
    if not isinstance(state, Mapping):
        raise ValueError(f"weights: expected a state dict, got {type(state).__name__} in {path}")
    return state
