"""Layers as PyTorch has them, with the same weights and results, that a single small frame passes quickly on a CPU.

They matter for one frame on one thread, where PyTorch chooses its slowest ways. Three things are done differently:
a 3D convolution over few slices is one 2D convolution whose channels are (slice, channel) pairs, and oneDNN's own
works on more slices; pictures are laid out channels-last; instance norm is group norm with a channel a group. All
compute the same sums, in another order. With gradients, and on other devices, PyTorch's own layers work unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch, "mkldnn_convolution")
FULL = 0.7  # share of the flat kernel's blocks that hold weights; below it, the zeros cost more than they save


def slices_after(depth: int, kernel: int, stride: int, padding: int, transposed: bool) -> int:
    """The depth of the result."""
    if transposed:
        return (depth - 1) * stride - 2 * padding + kernel
    return (depth + 2 * padding - kernel) // stride + 1


def taps(depth: int, kernel: int, stride: int, padding: int, transposed: bool) -> list[tuple[int, int, int]]:
    """Which slice of the kernel joins which slices: (output slice, input slice, kernel slice)."""
    after = slices_after(depth, kernel, stride, padding, transposed)
    joined = []
    for out in range(after):
        for given in range(depth):
            tap = out - given * stride + padding if transposed else given - out * stride + padding
            if 0 <= tap < kernel:
                joined.append((out, given, tap))
    return joined


@torch.no_grad()
def flat_weight(
    weight: Float[Tensor, "I O k h w"], depth: int, stride: int, padding: int, transposed: bool
) -> Float[Tensor, "DI DO h w"]:
    """The kernel of the 2D convolution over (slice, channel) pairs; zero where two slices never meet."""
    kernel = weight.shape[2]
    after = slices_after(depth, kernel, stride, padding, transposed)
    outer, inner = (depth, after) if transposed else (after, depth)
    flat = weight.new_zeros(outer, weight.shape[0], inner, weight.shape[1], *weight.shape[3:])
    for out, given, tap in taps(depth, kernel, stride, padding, transposed):
        first, second = (given, out) if transposed else (out, given)
        flat[first, :, second] = weight[:, :, tap]
    return flat.flatten(2, 3).flatten(0, 1)


class _FlatKernels:
    """The flat kernels of one layer by depth, each kept until the layer's weights change."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[tuple[int, int], Tensor]] = {}

    def of(self, layer: nn.Conv3d | nn.ConvTranspose3d, depth: int) -> Tensor | None:
        """The flat kernel for volumes of ``depth`` slices; None where it would be mostly zeros."""
        if layer.weight.is_inference():  # such weights do not tell when they change
            return None
        transposed = isinstance(layer, nn.ConvTranspose3d)
        shape = (layer.kernel_size[0], layer.stride[0], int(layer.padding[0]), transposed)
        if len(taps(depth, *shape)) < FULL * depth * slices_after(depth, *shape):
            return None
        version = (layer.weight._version, layer.weight.data_ptr())
        if depth not in self.kept or self.kept[depth][0] != version:
            self.kept[depth] = (version, flat_weight(layer.weight, depth, *shape[1:]))
        return self.kept[depth][1]


def quick(x: Tensor) -> bool:
    """Whether the quick ways apply: float32 on a CPU, no gradients, and nobody who only records what is done."""
    recorded = torch.compiler.is_compiling() or torch.jit.is_tracing()
    return x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_grad_enabled() and not recorded


class Conv3d(nn.Conv3d):
    """nn.Conv3d with the quick ways; the same weights under the same names."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self._flat = _FlatKernels()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Conv3d:
        self._flat.kept.clear()  # new weights may lie where the old ones lay
        return super()._apply(fn, recurse)

    def forward(self, input: Float[Tensor, "B C D H W"]) -> Float[Tensor, "B O d h w"]:
        """Convolve."""
        if not quick(input):
            return super().forward(input)
        if (kernel := self._flat.of(self, input.shape[2])) is not None:
            return _flat_convolution(functional.conv2d, self, input, kernel)
        if ONEDNN:
            padding = [int(side) for side in self.padding]
            return torch.mkldnn_convolution(
                input, self.weight, self.bias, padding, list(self.stride), list(self.dilation), self.groups
            )
        return super().forward(input)


class ConvTranspose3d(nn.ConvTranspose3d):
    """nn.ConvTranspose3d with the quick way; the same weights under the same names."""

    def __init__(self, *sizes: Any, **options: Any) -> None:
        super().__init__(*sizes, **options)
        self._flat = _FlatKernels()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ConvTranspose3d:
        self._flat.kept.clear()  # new weights may lie where the old ones lay
        return super()._apply(fn, recurse)

    def forward(
        self, input: Float[Tensor, "B C D H W"], output_size: list[int] | None = None
    ) -> Float[Tensor, "B O d h w"]:
        """Convolve."""
        if output_size is None and quick(input) and (kernel := self._flat.of(self, input.shape[2])) is not None:
            return _flat_convolution(functional.conv_transpose2d, self, input, kernel)
        return super().forward(input, output_size)


def _flat_convolution(
    convolve: Callable[..., Tensor], layer: nn.Conv3d | nn.ConvTranspose3d, x: Tensor, kernel: Tensor
) -> Tensor:
    """One 2D convolution over (slice, channel) pairs."""
    batch, channels, depth, height, width = x.shape
    flat = x.transpose(1, 2).reshape(batch, depth * channels, height, width)
    y = convolve(flat, kernel, None, layer.stride[1:], layer.padding[1:])  # (B, d O, h, w)
    y = y.unflatten(1, (-1, layer.out_channels)).transpose(1, 2)  # (B, O, d, h, w)
    return y if layer.bias is None else y + layer.bias[:, None, None, None]


class InstanceNorm2d(nn.InstanceNorm2d):
    """nn.InstanceNorm2d as group norm, which needs no copy of weights for each sample."""

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalise each channel of each sample."""
        if not quick(input):
            return super().forward(input)
        return functional.group_norm(input, self.num_features, self.weight, self.bias, self.eps)


def laid_out(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Pictures as the quick layers want them: channels-last, the same values."""
    return x.contiguous(memory_format=torch.channels_last) if quick(x) else x
