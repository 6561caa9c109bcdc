"""What is compiled ahead of time in every test run: the operations on the paper's volume, as they would be launched."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from . import adain_op, warp_op
from .launch import FORMATS

SHAPE = (16, 32, 16, 64, 64)  # (B, C, D, H, W)
FEW = (2, 5, 3, 6, 7)  # so few channels that each lane has one
WIDE = (1, 32, 512, 512, 512)  # one sample of 2^32 elements: offsets of 64 bits


def volume_like(dtype: torch.dtype, layout: str, shape: tuple[int, ...] = SHAPE, channels: int | None = None) -> Tensor:
    """A tensor without memory: only its type, shape and layout."""
    B, C, *space = shape
    tensor = torch.empty(B, C if channels is None else channels, *space, dtype=dtype, device="meta")
    return tensor.contiguous(memory_format=FORMATS[layout])


def warp_inputs(dtype: torch.dtype, layout: str, shape: tuple[int, ...] = SHAPE) -> tuple[Tensor, Tensor, Tensor]:
    """Volume, flow and mask."""
    flow, mask = (volume_like(torch.float32, "contiguous", shape, channels) for channels in (3, 1))
    return volume_like(dtype, layout, shape), flow, mask


def warp_forward(dtype: torch.dtype, layout: str, shape: tuple[int, ...] = SHAPE, border: bool = True) -> None:
    """With mask, so that nothing is left out."""
    warp_op.forward(*warp_inputs(dtype, layout, shape), border, False)


def warp_backward(
    dtype: torch.dtype,
    layout: str,
    deterministic: bool = False,
    shape: tuple[int, ...] = SHAPE,
    border: bool = True,
) -> None:
    """With mask and every gradient."""
    grad = volume_like(dtype, layout, shape)
    warp_op.backward(grad, *warp_inputs(dtype, layout, shape), border, deterministic, True, True, True)


def adain_forward(dtype: torch.dtype, layout: str, axes: int = 2) -> None:
    """With residual and activation."""
    x = volume_like(dtype, layout)
    style = x if axes == 5 else torch.empty(SHAPE[:axes], device="meta")
    adain_op.forward(x, style, style, x, 1e-5, 0.1)


def adain_backward(dtype: torch.dtype, layout: str, axes: int = 2) -> None:
    """With every gradient."""
    x = volume_like(dtype, layout)
    style = x if axes == 5 else torch.empty(SHAPE[:axes], device="meta")
    row = torch.empty(SHAPE[:2], device="meta")
    adain_op.backward(x, x, style, style, x, row, row, 0.1, True, True, True, True)


BOTH = (torch.float32, torch.bfloat16)

# At most 26, so that compiling them for three architectures stays a matter of a minute.
LIST: tuple[tuple[str, Callable[..., None], str, tuple[torch.dtype, ...]], ...] = (
    ("warp3d forward", warp_forward, "channels-last", BOTH),
    ("warp3d forward", warp_forward, "contiguous", BOTH),
    ("warp3d backward", warp_backward, "channels-last", BOTH),
    ("warp3d backward", warp_backward, "contiguous", BOTH),
    ("warp3d forward, zeros outside", partial(warp_forward, border=False), "channels-last", BOTH[:1]),
    ("warp3d backward, zeros outside", partial(warp_backward, border=False), "channels-last", BOTH[:1]),
    ("warp3d backward of 5 channels", partial(warp_backward, shape=FEW), "channels-last", BOTH[:1]),
    ("warp3d deterministic backward", partial(warp_backward, deterministic=True), "channels-last", BOTH[1:]),
    ("warp3d deterministic backward", partial(warp_backward, deterministic=True), "contiguous", BOTH[:1]),
    ("warp3d forward of 2^32 elements", partial(warp_forward, shape=WIDE), "channels-last", BOTH[:1]),
    ("adain3d forward", adain_forward, "channels-last", BOTH),
    ("adain3d forward", adain_forward, "contiguous", BOTH),
    ("adain3d backward", adain_backward, "channels-last", BOTH),
    ("adain3d backward", adain_backward, "contiguous", BOTH),
    ("adain3d forward, full maps", partial(adain_forward, axes=5), "channels-last", BOTH[:1]),
    ("adain3d forward, full maps", partial(adain_forward, axes=5), "contiguous", BOTH[1:]),
    ("adain3d backward, full maps", partial(adain_backward, axes=5), "channels-last", BOTH[:1]),
    ("adain3d backward, full maps", partial(adain_backward, axes=5), "contiguous", BOTH[1:]),
)
VARIANTS: dict[str, Callable[[], None]] = {
    f"{name}, {layout}, {str(dtype)[6:]}": partial(variant, dtype, layout)
    for name, variant, layout, dtypes in LIST
    for dtype in dtypes
}
