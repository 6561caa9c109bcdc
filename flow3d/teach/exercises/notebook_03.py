"""Exercises of notebook 03: the mapping network, AdaIN with a style for each slice, and voxels as pixels."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from flow3d.sizes import COEFFICIENT_COUNT, WINDOW
from flow3d.teach.exercises.exercise import Exercise
from flow3d.warping import MappingNetwork, flow_to_image
from flow3d.warping.adain import SLOPE
from flow3d_kernels.reference import adain3d

Volume = Float[Tensor, "B C D H W"]
Style = Float[Tensor, "B C D"]


def _noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _network(motion: int) -> MappingNetwork:
    """A small mapping network whose weights come from a generator of its own; coefficients are far from standard."""
    network = MappingNetwork(motion).requires_grad_(False)
    for number, parameter in enumerate(network.parameters()):
        parameter.copy_(0.2 * _noise(10 * motion + number, *parameter.shape))
    network.mean.copy_(_noise(1, COEFFICIENT_COUNT))
    network.std.copy_(_noise(2, COEFFICIENT_COUNT).abs() + 0.5)
    return network


def _still() -> tuple[MappingNetwork, Tensor]:
    return _network(4), _noise(3, 2, COEFFICIENT_COUNT, 1).repeat(1, 1, WINDOW)


def _moving() -> tuple[MappingNetwork, Tensor]:
    return _network(6), 2 * _noise(4, 3, COEFFICIENT_COUNT, WINDOW)


def _map(
    network: MappingNetwork, window: Tensor, keep: slice = slice(3, -3), skip: float = 1.0, pooled: str = "mean"
) -> Tensor:
    x = network.first((window - network.mean[:, None]) / network.std[:, None])
    for convolution in network.rest:
        x = skip * x[..., keep] + convolution(functional.leaky_relu(x, SLOPE))
    return x.mean(-1) if pooled == "mean" else x[..., -1]


def _raw(network: MappingNetwork, window: Tensor) -> Tensor:
    return _map(network, window * network.std[:, None] + network.mean[:, None])


def _volume(offset: float = 0.0) -> tuple[Volume, Style, Style]:
    return 2 * _noise(5, 2, 3, 4, 5, 6) + offset, _noise(6, 2, 3, 4), _noise(7, 2, 3, 4)


def _adain(x: Volume, gamma: Style, beta: Style, axes: tuple[int, ...], one: float = 1.0, unbiased: int = 0) -> Volume:
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, keepdim=True, correction=unbiased)
    styled = (x - mean) / (variance + 1e-5).sqrt() * (one + gamma[..., None, None])
    return styled + beta[..., None, None]


def _smooth_flow() -> Tensor:
    """Slices that differ, in a volume of 8 x 8 voxels."""
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    slices = torch.stack([torch.stack([0.1 * x + d, 0.2 * y - d, 0.3 * x]) for d in range(4)], 1)
    return slices[None]


def _weights() -> Tensor:
    return (2 * _noise(8, 1, 1, 4, 8, 8)).softmax(2)


def _enlarged(flow: Tensor, weights: Tensor | None, size: int, factor: float, **how: Any) -> Tensor:
    flat = flow[:, :2].mean(2) if weights is None else (flow[:, :2] * weights).sum(2)
    return functional.interpolate(flat * factor, size=(size, size), **how)


EXERCISES = [
    Exercise(
        name="mapping_network",
        reference=MappingNetwork.forward,
        cases={"27 equal frames": _still, "a moving window": _moving},
        mistakes={
            "the skip cropped at its end instead of both ends": lambda n, w: _map(n, w, keep=slice(0, -6)),
            "the skip cropped at its beginning": lambda n, w: _map(n, w, keep=slice(6, None)),
            "no skip": lambda n, w: _map(n, w, skip=0.0),
            "coefficients that are not standardised": _raw,
            "the last frame instead of the mean": lambda n, w: _map(n, w, pooled="last"),
        },
        hint="a convolution of three taps, three apart, loses three frames at each end; crop the skip in the same way",
    ),
    Exercise(
        name="adain3d",
        reference=adain3d,
        cases={"a volume": _volume, "a volume far from zero": lambda: _volume(5.0)},
        mistakes={
            "statistics of each slice": lambda x, g, b: _adain(x, g, b, (3, 4)),
            "statistics over the batch": lambda x, g, b: _adain(x, g, b, (0, 2, 3, 4)),
            "statistics over the channels": lambda x, g, b: _adain(x, g, b, (1, 2, 3, 4)),
            "gamma where 1 + gamma should be": lambda x, g, b: _adain(x, g, b, (2, 3, 4), one=0.0),
            "the variance divided by n - 1": lambda x, g, b: _adain(x, g, b, (2, 3, 4), unbiased=1),
        },
        hint="mean and variance over the last three axes; gamma[..., None, None] covers every pixel of a slice",
    ),
    Exercise(
        name="flow_to_image",
        reference=flow_to_image,
        cases={
            "weights over depth": lambda: (_smooth_flow(), _weights(), 16),
            "no weights": lambda: (_smooth_flow(), None, 32),
        },
        mistakes={
            "still in voxels": lambda f, w, s: _enlarged(f, w, s, 1.0, mode="bilinear", align_corners=False),
            "pixels divided by the stride": lambda f, w, s: _enlarged(
                f, w, s, f.shape[-1] / s, mode="bilinear", align_corners=False
            ),
            "corner voxels laid on corner pixels": lambda f, w, s: _enlarged(
                f, w, s, s / f.shape[-1], mode="bilinear", align_corners=True
            ),
            "the nearest voxel instead of a blend": lambda f, w, s: _enlarged(f, w, s, s / f.shape[-1], mode="nearest"),
            "the nearest slice alone": lambda f, w, s: flow_to_image(f[:, :, :1], None, s),
        },
        hint="sum over depth first, then multiply by size / W, then F.interpolate with align_corners=False",
    ),
]
