"""Memory layout and style shapes, as the backends see them."""

import torch
from torch import Tensor

FORMATS = {False: torch.contiguous_format, True: torch.channels_last_3d}


def channels_innermost(tensor: Tensor) -> bool:
    """Whether the C values of a voxel lie side by side; one channel lies so in every layout and counts as NCDHW."""
    return tensor.shape[1] > 1 and tensor.stride(1) == 1


def laid_out(tensor: Tensor, channels_last: bool) -> Tensor:
    """The same values, contiguous in one of the two layouts."""
    return tensor.contiguous(memory_format=FORMATS[channels_last])


def typed(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The same values in another type; nothing is asked of PyTorch where they are in it."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def spread_style(style: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, C), (B, C, D) or (B, C, D, H, W) -> five axes that broadcast over a volume."""
    return typed(style, dtype).view(style.shape + (1,) * (5 - style.ndim))
