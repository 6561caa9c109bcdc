"""The regressor: pictures (B,3,64,64) -> 73 motion and 80 identity coefficients (B,153); section 3.1."""

from __future__ import annotations

import copy
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..fields import Blocks, Configuration, Seed, Width
from ..morphable import Coefficients
from ..sizes import ANSWER_COUNT, COEFFICIENT_COUNT
from ..weights import load_model, save_folder, shipped

SIZE = 64  # pixels that the network sees
SMALLEST = 16  # pixels of the smallest picture that is accepted
FILE = "regressor"
CARD = """# {name}

A CoefficientRegressor, for {purpose}: a picture of {size} px becomes 73 motion and 80 identity coefficients of the
procedural head. Trained on procedural heads only: what it says of a photograph means nothing.

{about}

{text}
"""

Purpose = Literal["training", "scoring"]


@dataclass(frozen=True)
class RegressorConfig(Configuration):
    """What a regressor is made of, and what it may be used for."""

    name: str = "regressor"
    purpose: Purpose = "training"  # "scoring" only measures renderers, and never helps to train one
    channels: tuple[Width, Width, Width, Width, Width] = (32, 48, 72, 104, 136)  # of stages that halve height and width
    blocks: tuple[Blocks, Blocks, Blocks, Blocks, Blocks] = (0, 1, 1, 1, 0)  # residual blocks in each stage
    hidden: Width = 192  # width of the layer before the two heads
    seeds: tuple[Seed, Seed] | None = None  # first and last identity that it was trained on; None before training
    about: str = "Not trained."  # how it was trained, in words


class _Normed(nn.Sequential):
    """A convolution and its batch norm, while training; :meth:`CoefficientRegressor.folded` makes one layer of them."""


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, norm: bool) -> nn.Module:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=not norm)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return _Normed(layer, nn.BatchNorm2d(outputs)) if norm else layer


class _Residual(nn.Module):
    def __init__(self, channels: int, norm: bool) -> None:
        super().__init__()
        self.first, self.second = (_convolution(channels, channels, 3, 1, norm) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return (x + self.second(self.first(x).relu())).relu()


class CoefficientRegressor(nn.Module):
    """A small convolutional network: five stages, one hidden layer, two linear heads.

    Position matters to most coefficients, so two channels of coordinates go in and the last map is not averaged but
    flattened. The heads' outputs are standardised; ``mean`` and ``std`` make them raw and are stored with the weights.

    Args:
        config: sizes and purpose.
        norm: put a batch norm behind every convolution, to learn faster. Saved weights have none, see :meth:`folded`.
    """

    mean: Tensor
    std: Tensor
    scale: Tensor

    def __init__(self, config: RegressorConfig | None = None, norm: bool = False) -> None:
        super().__init__()
        self.config = config or RegressorConfig()
        stages, inputs = [], 5
        for channels, blocks in zip(self.config.channels, self.config.blocks, strict=True):
            halve = _convolution(inputs, channels, 3 if stages else 4, 2, norm)
            stages.append(nn.Sequential(halve, nn.ReLU(), *(_Residual(channels, norm) for _ in range(blocks))))
            inputs = channels
        self.stages = nn.ModuleList(stages)
        self.hidden = nn.Linear(inputs * (SIZE // 32) ** 2, self.config.hidden)
        self.heads = nn.Linear(self.config.hidden, ANSWER_COUNT)
        self.register_buffer("mean", torch.zeros(ANSWER_COUNT))
        self.register_buffer("std", torch.ones(ANSWER_COUNT))
        self.register_buffer("scale", torch.ones(len(stages)))

    @classmethod
    def from_pretrained(cls, name_or_folder: str | os.PathLike[str] | None = None) -> CoefficientRegressor:
        """Load a regressor that :meth:`save_pretrained` wrote, or one that the package ships; None is "regressor".

        Raises:
            FileNotFoundError: no such folder or name, or a file of it is missing.
            ValueError: a file is damaged, or does not fit the configuration beside it.
        """
        return load_model(
            shipped("regressor") if name_or_folder is None else name_or_folder,
            lambda text: cls(RegressorConfig.from_json(text)),
            lambda regressor: {FILE: regressor},
            lambda regressor: regressor.config.name,
        )

    def save_pretrained(self, folder: str | os.PathLike[str], card: str = "") -> Path:
        """Write config.json, regressor.safetensors and a card."""
        config = self.config
        text = CARD.format(name=config.name, purpose=config.purpose, size=SIZE, about=config.about, text=card)
        return save_folder(folder, {FILE: self}, config.to_json(), text)

    @torch.no_grad()
    def folded(self) -> CoefficientRegressor:
        """The same function with its batch norms folded into the convolutions."""
        plain = CoefficientRegressor(self.config).to(self.mean.device)
        own = {name: module for name, module in self.named_modules() if isinstance(module, _Normed)}
        state = {k: v for k, v in self.state_dict().items() if not any(k.startswith(f"{name}.") for name in own)}
        for name, pair in own.items():
            layer, norm = copy.deepcopy(pair).eval()
            fused = fuse_conv_bn_eval(layer, norm)
            state |= {f"{name}.{key}": value for key, value in fused.state_dict().items()}
        plain.load_state_dict(state)
        return plain.eval()

    def maps(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """The five stages' outputs, at 1/2 to 1/32 of the size; positive, for any height and width from 32 px."""
        x, maps = torch.cat([images, _coordinates(images)], 1), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def forward(self, images: Float[Tensor, "B 3 64 64"]) -> Float[Tensor, "B 153"]:
        """Return the 73 motion and 80 identity coefficients, raw, of pictures of 64 px."""
        hidden = self.hidden(self.maps(images)[-1].flatten(1)).relu()
        return self.heads(hidden).float() * self.std + self.mean

    @torch.no_grad()
    def standardise(self, targets: Float[Tensor, "N 153"]) -> None:
        """Take mean and deviation of the targets; a coefficient that never changes keeps a deviation of 1."""
        if len(targets) < 2:
            raise ValueError(f"targets: expected at least 2 frames, got {len(targets)}")
        deviation = targets.std(0)
        self.mean.copy_(targets.mean(0))
        self.std.copy_(torch.where(deviation > 1e-6, deviation, 1.0))

    def predict(self, frames: Float[Tensor, "N 3 H W"], batch: int = 64) -> Coefficients:
        """The coefficients of N frames; memory for networks does not grow with N.

        Args:
            frames: whole pictures or persons cut out on black, in [-1, 1], square, of 16 px or more; sizes other than
                64 px are resized inside.
            batch: frames that are computed together.

        Raises:
            TypeError: no floating-point tensor.
            ValueError: another shape, no frame, NaN, or values outside of [-1, 1].
        """
        return Coefficients(self.answer(frames, batch)[:, :COEFFICIENT_COUNT])

    def identity(self, frames: Float[Tensor, "N 3 H W"], batch: int = 64) -> Float[Tensor, "N 80"]:
        """The identity coefficients of each frame, raw; arguments and errors as :meth:`predict`."""
        return self.answer(frames, batch)[:, COEFFICIENT_COUNT:]

    def windows(
        self, frames: Float[Tensor, "N 3 H W"], *, causal: bool = False, batch: int = 64
    ) -> Float[Tensor, "N 73 27"]:
        """The windows of N consecutive frames, as a renderer takes them; one picture counts as a clip without motion.

        Args and errors as :meth:`predict`; ``causal`` as :func:`flow3d.morphable.windows`.
        """
        return self.predict(frames, batch).windows(causal=causal)

    @torch.no_grad()
    def answer(self, frames: Float[Tensor, "N 3 H W"], batch: int = 64) -> Float[Tensor, "N 153"]:
        """All 73 + 80 coefficients of each frame, raw; arguments and errors as :meth:`predict`."""
        check_frames(frames)
        device, trained = self.mean.device, self.training
        self.eval()
        try:
            chunks = [self(fit_size(chunk.to(device, torch.float32))).cpu() for chunk in frames.split(batch)]
        finally:
            self.train(trained)
        return torch.cat(chunks)


def check_frames(frames: Tensor) -> None:
    """Raise TypeError or ValueError, naming ``frames``, unless they are square pictures in [-1, 1]."""
    if not isinstance(frames, torch.Tensor) or not frames.is_floating_point():
        kind = frames.dtype if isinstance(frames, torch.Tensor) else type(frames).__name__
        raise TypeError(f"frames: expected a float tensor (N, 3, H, W) in [-1, 1], got {kind}")
    if frames.ndim != 4 or frames.shape[1] != 3 or len(frames) == 0:
        raise ValueError(f"frames: expected shape (N, 3, H, W) with N > 0, got {tuple(frames.shape)}")
    height, width = frames.shape[-2:]
    if height != width or height < SMALLEST:
        raise ValueError(f"frames: expected square pictures of {SMALLEST} px or more, got {height} x {width}")
    low, high = (float(v) for v in frames.aminmax())
    if not (low >= -1.001 and high <= 1.001):  # a NaN fails both
        raise ValueError(f"frames: expected finite numbers in [-1, 1], got {low:.3g} to {high:.3g}")


def fit_size(frames: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 64 64"]:
    """Resize to 64 px, with averaging where pictures shrink."""
    if frames.shape[-1] == SIZE:
        return frames
    return functional.interpolate(frames, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)


@functools.lru_cache(maxsize=1)
def shipped_regressor() -> CoefficientRegressor:
    """The regressor that the package ships, loaded once."""
    return CoefficientRegressor.from_pretrained()


def _coordinates(images: Tensor) -> Float[Tensor, "B 2 H W"]:
    """The position of each pixel, from -1 to 1: x, then y."""
    lines = [torch.arange(0.5, n, device=images.device, dtype=images.dtype) * (2 / n) - 1 for n in images.shape[:1:-1]]
    return torch.stack(torch.meshgrid(*lines, indexing="xy")).expand(len(images), -1, -1, -1)
