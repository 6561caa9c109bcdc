"""What each operation must move and compute at least: counted, not measured.

A floor counts every tensor once: what is read, what is written. No kernel is faster than its floor over the card's
bandwidth, unless its tensors are in the cache already.
"""

from dataclasses import dataclass

SHAPE = (16, 32, 16, 64, 64)  # (B, C, D, H, W): the paper's volume, a batch of 16
POSITION = 4  # bytes of a flow's or mask's value: float32 whatever the volume's type


@dataclass(frozen=True)
class Floor:
    """Bytes to move and floating-point operations to do."""

    bytes: int
    operations: int

    @property
    def intensity(self) -> float:
        """Operations for each byte."""
        return self.bytes and self.operations / self.bytes

    def seconds(self, bandwidth: float, peak: float = float("inf")) -> float:
        """The least time on a card that moves ``bandwidth`` bytes and does ``peak`` operations a second."""
        return max(self.bytes / bandwidth, self.operations / peak)


def warp_floor(passes: str, itemsize: int, mask: bool, shape: tuple[int, ...] = SHAPE) -> Floor:
    """warp3d: volume, flow and mask in; result out. Backward: their gradients too."""
    B, C, D, H, W = shape
    voxels = B * D * H * W
    volume, flow, dimmer = voxels * C * itemsize, 3 * voxels * POSITION, mask * voxels * POSITION
    corners = 8 * 2 * voxels * C  # a multiplication and an addition for each corner of each value
    if passes == "forward":
        return Floor(2 * volume + flow + dimmer, corners)
    return Floor(3 * volume + 2 * flow + 2 * dimmer, 2 * corners)


def adain_floor(passes: str, itemsize: int, maps: bool, residual: bool, shape: tuple[int, ...] = SHAPE) -> Floor:
    """adain3d: x, and a style and a residual of its size where there are, in; result out. Backward: gradients too."""
    B, C, D, H, W = shape
    values = B * C * D * H * W
    extra = 2 * maps + residual
    if passes == "forward":
        return Floor((2 + extra) * values * itemsize, 9 * values)
    return Floor((3 + 2 * extra) * values * itemsize, 20 * values)


def floor_of(operation: str, passes: str, itemsize: int, variant: str, shape: tuple[int, ...] = SHAPE) -> Floor:
    """The floor of a row of the benchmark, by the words in its variant; both passes together are the sum of both."""
    if passes == "forward+backward":
        parts = [floor_of(operation, each, itemsize, variant, shape) for each in ("forward", "backward")]
        return Floor(sum(part.bytes for part in parts), sum(part.operations for part in parts))
    if operation == "warp3d":
        return warp_floor(passes, itemsize, "mask" in variant, shape)
    return adain_floor(passes, itemsize, "map" in variant, "residual" in variant, shape)
