"""The public operations: they check their arguments once, then hand them to the backend that fits the tensor."""

from typing import Literal

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from ._check import check_adain3d, check_warp3d
from ._dispatch import implementation
from ._shapes import Float


def warp3d(
    volume: Float[Tensor, "B C D H W"],
    flow: Float[Tensor, "B 3 D H W"],
    mask: Float[Tensor, "B 1 D H W"] | None = None,
    *,
    padding: Literal["border", "zeros"] = "border",
    deterministic: bool | None = None,
) -> Float[Tensor, "B C D H W"]:
    """Bend a volume along a dense flow: ``out[p] = mask[p] * volume[p + flow(p)]``, trilinear (paper, section 3.2).

    Convention:
        A backward warp: the flow at an output voxel says where in ``volume`` to read. It is a displacement in voxels
        with channels (dx, dy, dz): +x right, +y down, +z away from the camera (index 0 is nearest). Zero flow returns
        ``volume``: to the bit where it is channels-last and finite, up to rounding otherwise.
        Outside the volume, "border" repeats the edge voxel (the flow's gradient is 0 at and beyond the edge) and
        "zeros" reads 0. Infinite flow reads the edge or 0 accordingly; NaN in any component reads 0 in both, and its
        gradient is 0. At whole positions, where the slope jumps, the gradient is that of the cell of higher index
        (contiguous volumes whose sizes are no powers of two: of either cell).

    Args:
        volume: (B, C, D, H, W), any floating dtype. ``torch.channels_last_3d`` strides are the fast layout; the
            result keeps them.
        flow: (B, 3, D, H, W), float32 (or float64): half precision cannot hold a position in a 64-voxel row to better
            than 1/32 of a voxel. The sum over the eight corners is kept in this precision at least.
        mask: (B, 1, D, H, W) multiplied onto the result, or None.
        padding: "border" or "zeros".
        deterministic: True asks for gradients that repeat bit for bit on a GPU; None follows
            ``torch.use_deterministic_algorithms``. The CPU always repeats; the reference backend always follows torch.

    Returns:
        (B, C, D, H, W) in the dtype of ``volume``; differentiable in volume, flow and mask.

    Raises:
        TypeError: an argument is no floating tensor, or the flow is in half precision.
        ValueError: a shape, device or option does not fit; the message names the argument.

    Example:
        >>> volume = torch.arange(4.0).view(1, 1, 1, 1, 4)
        >>> flow = torch.zeros(1, 3, 1, 1, 4)
        >>> flow[:, 0] = 1.0  # read one voxel to the right: the picture moves left
        >>> warp3d(volume, flow).flatten().tolist()
        [1.0, 2.0, 3.0, 3.0]
    """
    if has_torch_function(given := (volume, flow, mask)):  # somebody records what is done, as torch's functions allow
        return handle_torch_function(warp3d, given, *given, padding=padding, deterministic=deterministic)
    check_warp3d(volume, flow, mask, padding, deterministic)
    return implementation("warp3d", volume)(volume, flow, mask, padding, deterministic)


def adain3d(
    x: Float[Tensor, "B C D H W"],
    gamma: Float[Tensor, "B C"] | Float[Tensor, "B C D"] | Float[Tensor, "B C D H W"],
    beta: Float[Tensor, "B C"] | Float[Tensor, "B C D"] | Float[Tensor, "B C D H W"],
    *,
    eps: float = 1e-5,
    negative_slope: float | None = None,
    residual: Float[Tensor, "B C D H W"] | None = None,
) -> Float[Tensor, "B C D H W"]:
    """Adaptive instance normalisation: ``act(IN(x) * (1 + gamma) + beta + residual)`` (paper, sections 3.2 and 6.1).

    IN(x) = (x - mean) / sqrt(var + eps), with mean and biased variance taken over D, H, W of each sample and channel.
    AdaIN is Huang and Belongie's (ICCV 2017); the paper's 3D scale and bias are styles of shape (B, C, D) or full maps.

    Convention:
        Zero gamma and beta leave plain instance normalisation: the scale is ``1 + gamma``. ``act`` is LeakyReLU with
        ``negative_slope``; None means no activation, 0 is ReLU.

    Args:
        x: (B, C, D, H, W), any floating dtype, with more than one voxel; statistics are taken in float32 at least.
        gamma: scale minus one: (B, C), (B, C, D) or (B, C, D, H, W).
        beta: shift: one of the same shapes, not necessarily gamma's.
        eps: added to the variance; positive.
        negative_slope: slope of the activation below zero, or None.
        residual: (B, C, D, H, W) added before the activation, or None.

    Returns:
        (B, C, D, H, W) in the dtype and memory layout of ``x``; differentiable in every tensor.

    Raises:
        TypeError: an argument is no floating tensor, or eps or negative_slope is no number.
        ValueError: a shape, device or number does not fit, or ``x`` has a single voxel, which is its own mean: the
            result would forget ``x``.

    Example:
        >>> x = torch.tensor([1.0, 3.0]).view(1, 1, 1, 1, 2)
        >>> adain3d(x, torch.tensor([[1.0]]), torch.tensor([[0.5]]), eps=1e-12).flatten().tolist()
        [-1.5, 2.5]
    """
    if has_torch_function(given := (x, gamma, beta, residual)):
        options = {"eps": eps, "negative_slope": negative_slope, "residual": residual}
        return handle_torch_function(adain3d, given, x, gamma, beta, **options)
    check_adain3d(x, gamma, beta, eps, negative_slope, residual)
    return implementation("adain3d", x)(x, gamma, beta, eps, negative_slope, residual)
