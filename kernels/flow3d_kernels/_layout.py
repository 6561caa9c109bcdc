"""Memory layout and style shapes, as the backends see them."""

import torch
from torch import Tensor


def channels_innermost(tensor: Tensor) -> bool:
    """Whether the C values of a voxel lie side by side; one channel lies so in every layout and counts as NCDHW."""
    return tensor.shape[1] > 1 and tensor.stride(1) == 1


def spread_style(style: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, C), (B, C, D) or (B, C, D, H, W) -> five axes that broadcast over a volume."""
    return style.to(dtype).view(style.shape + (1,) * (5 - style.ndim))
