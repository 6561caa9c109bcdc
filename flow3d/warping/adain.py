"""Modulated convolutions: x (B,C,[D,]H,W) and motion (B,Z) -> conv -> AdaIN -> LeakyReLU (B,C',[D,]H,W); section 3.2.

AdaIN (adaptive instance normalisation) takes each channel's mean and deviation away and gives it a scale and a bias
that the motion vector chooses.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from flow3d_kernels import adain3d

from .layers import Conv3d, ConvTranspose3d

SLOPE = 0.1  # of every LeakyReLU
GAIN = (2 / (1 + SLOPE**2)) ** 0.5  # LeakyReLU of a unit normal value times this has unit square again


class AdaIN(nn.Module):
    """Scale and bias from the motion vector, applied by the fused operation (sections 3.2 and 6.1).

    Args:
        channels: C of what is normalised.
        motion: length of z.
        hidden: width of the layer that scale and bias share.
        depth: number of slices with a scale and bias each; None has one per channel.
    """

    def __init__(self, channels: int, motion: int, hidden: int, depth: int | None = None) -> None:
        super().__init__()
        self.channels, self.depth = channels, depth
        self.shared = nn.Sequential(nn.Linear(motion, hidden), nn.ReLU())
        self.scale_and_bias = nn.Linear(hidden, 2 * channels * (depth or 1))

    def forward(
        self,
        x: Float[Tensor, "B C *space"],
        z: Float[Tensor, "B Z"],
        residual: Float[Tensor, "B C *space"] | None = None,
    ) -> Float[Tensor, "B C *space"]:
        """Normalise ``x`` (B,C,H,W) or (B,C,D,H,W), modulate, add ``residual``, activate."""
        style = self.scale_and_bias(self.shared(z))
        if self.depth is not None:
            style = style.view(len(z), 2 * self.channels, self.depth)
        gamma, beta = style.chunk(2, 1)
        flat = x.ndim == 4
        volume = x.unsqueeze(2) if flat else x  # a picture is a volume of one slice
        added = residual.unsqueeze(2) if flat and residual is not None else residual
        y = adain3d(volume, gamma, beta, negative_slope=SLOPE, residual=added)
        return y.squeeze(2) if flat else y


class _AdaINConv(nn.Module):
    def __init__(self, convolution: nn.Module, adain: AdaIN) -> None:
        super().__init__()
        self.convolution, self.adain = convolution, adain

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Convolve, modulate by ``z``, activate."""
        return self.adain(self.convolution(x), z)


class AdaINConv2d(_AdaINConv):
    """3 x 3 convolution -> AdaIN -> LeakyReLU(0.1)."""

    def __init__(self, inputs: int, outputs: int, motion: int, hidden: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), AdaIN(outputs, motion, hidden))


class DemodulatedConv2d(nn.Module):
    """3 x 3 convolution whose weights the motion scales, kept at unit strength -> bias -> LeakyReLU(0.1).

    It normalises the weights, not what they give (Karras et al., Analyzing and improving the image quality of StyleGAN,
    2020, section 2.2), so no value can hide a scale behind a norm. Arguments as of :class:`AdaINConv2d`.
    """

    def __init__(self, inputs: int, outputs: int, motion: int, hidden: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.shared = nn.Sequential(nn.Linear(motion, hidden), nn.ReLU())
        self.scale = nn.Linear(hidden, inputs)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Float[Tensor, "B C H W"], z: Float[Tensor, "B Z"]) -> Float[Tensor, "B O H W"]:
        """Convolve with weights that ``z`` scales, activate."""
        scale = 1 + self.scale(self.shared(z))  # (B, C)
        power = functional.linear(scale.square(), self.convolution.weight.square().sum((2, 3)))  # (B, O)
        y = self.convolution(x * scale[:, :, None, None]) / ((power + 1e-8).sqrt() / GAIN)[:, :, None, None]
        return functional.leaky_relu(y + self.bias[:, None, None], SLOPE)


class AdaINConv3d(_AdaINConv):
    """3D convolution -> AdaIN -> LeakyReLU(0.1); ``halve`` or ``double`` says which of D and (H, W) change size.

    On ``slices`` of 1, and where 2 become 1 or 1 becomes 2, the kernel is only as deep as the slices that it meets: the
    same function without weights that would only ever meet padding. ``styles`` is the number of slices with a scale and
    bias each; None has one per channel.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        motion: int,
        hidden: int,
        *,
        slices: int,
        styles: int | None = None,
        halve: tuple[bool, bool] = (False, False),
        double: tuple[bool, bool] = (False, False),
    ) -> None:
        deep, wide = double if any(double) else halve
        fewest = slices if any(double) else slices // (2 if deep else 1)  # slices of the shallower side
        padding = int(fewest > 1)
        kernel = ((2 if deep else 1) + 2 * padding, 4 if wide else 3, 4 if wide else 3)
        stride = (2 if deep else 1, 2 if wide else 1, 2 if wide else 1)
        layer = ConvTranspose3d if any(double) else Conv3d
        convolution = layer(inputs, outputs, kernel, stride, padding=(padding, 1, 1), bias=False)
        super().__init__(convolution, AdaIN(outputs, motion, hidden, styles))


def start_at_zero(head: nn.Module) -> None:
    """Set a head's weights to zero, so that training starts from the identity warp."""
    for parameter in head.parameters():
        nn.init.zeros_(parameter)


def coordinates(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 2 H W"]:
    """Position channels (x, y) in [-1, 1] for every pixel of ``x``."""
    height, width = x.shape[-2:]
    y, across = torch.meshgrid(
        torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype),
        torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype),
        indexing="ij",
    )
    return torch.stack([across, y]).expand(len(x), -1, -1, -1)
