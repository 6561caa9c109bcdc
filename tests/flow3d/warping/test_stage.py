"""The residual flow, which is 2D, moves the slices that are seen; seen from the front, it is the residual again."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from flow3d.config import RendererConfig, preset
from flow3d.morphable import Coefficients
from flow3d.morphable.coefficients import POSE
from flow3d.warping import Flow, WarpingStage, flow_to_image
from tolerances import NETWORKS

CONFIG = preset("micro", "extended")
STRIDE = CONFIG.size // CONFIG.volume[1]
RESIDUAL = NETWORKS["residual on voxels"][0]
LINE = torch.arange(32.0)
RAMP = torch.stack([0.2 * LINE.expand(32, 32) - 3, 0.1 * LINE[:, None].expand(32, 32)])[None]  # pixels
NOISE = 3 * torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(0))


class Given(nn.Module):
    """A residual flow that is always the same."""

    def __init__(self, fine: Tensor) -> None:
        super().__init__()
        self.fine = fine

    def forward(self, foreground: Tensor, coarse: Tensor, z: Tensor) -> Tensor:
        return self.fine


def flow_of(config: RendererConfig, fine: Tensor) -> Flow:
    """What a stage of random weights estimates, given its residual flow."""
    torch.manual_seed(1)
    stage = WarpingStage(config).eval()
    assert stage.collapse is not None
    nn.init.normal_(stage.flow_network.head.weight, std=0.1)
    for weight in stage.collapse.parameters():
        nn.init.normal_(weight, std=0.5)
    stage.residual = Given(fine)  # ty: ignore[invalid-assignment]
    here, there = torch.randn(2, 1, config.z_length).unbind(0)
    if config.pose_flow:
        for z, yaw in ((here, 0.0), (there, 0.3)):
            z[:, config.motion :] = Coefficients.neutral().replace(yaw=yaw).values[:, POSE]
    foreground = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        return stage.estimate(foreground, stage.flow_network.lift(foreground), there, here)


def added(config: RendererConfig, fine: Tensor) -> tuple[Tensor, Tensor]:
    """What the residual adds to each voxel, and the weights over depth."""
    whole, coarse = flow_of(config, fine), flow_of(config, torch.zeros_like(fine))
    assert whole.shares is not None
    assert coarse.flow.abs().max() > 0.5
    return whole.flow - coarse.flow, whole.shares


@pytest.mark.parametrize("fine", [RAMP, NOISE], ids=["ramp", "noise"])
@pytest.mark.parametrize("where_seen", [True, False])
def test_seen_from_the_front_a_voxel_moves_as_its_pixels_do_in_the_mean(where_seen, fine):
    change, shares = added(CONFIG.replace(residual_where_seen=where_seen), fine)
    seen = (change * shares).sum(2)
    torch.testing.assert_close(seen[:, :2], functional.avg_pool2d(fine, STRIDE) / STRIDE, rtol=0, atol=RESIDUAL)
    assert not change[:, 2].any()  # a 2D flow knows no dz


def test_the_volume_s_flow_is_the_pixels_flow_where_interpolation_can_tell():
    """A ramp lies on the line between voxels; at the rim there is nothing to interpolate with."""
    whole = flow_of(CONFIG, RAMP)
    apart = (flow_to_image(whole.flow, whole.shares, CONFIG.size) - whole.pixel_flow).abs()
    inner = slice(STRIDE, -STRIDE)
    assert apart[..., inner, inner].max() < NETWORKS["residual on pixels"][0]
    rough = flow_of(CONFIG, NOISE)
    assert (flow_to_image(rough.flow, rough.shares, CONFIG.size) - rough.pixel_flow).abs().mean() > 1  # the control


def test_slices_move_in_proportion_to_how_much_is_seen_of_them_or_all_alike():
    change, shares = added(CONFIG, NOISE)
    assert shares.min() < 0.05
    assert shares.max() > 0.7
    torch.testing.assert_close(change * shares[:, :, :1], change[:, :, :1] * shares, rtol=0, atol=RESIDUAL)
    assert change.norm(dim=1)[shares[:, 0] > 0.7].mean() > 5 * change.norm(dim=1)[shares[:, 0] < 0.1].mean()
    alike, _ = added(CONFIG.replace(residual_where_seen=False), NOISE)
    torch.testing.assert_close(alike, alike[:, :, :1].expand_as(alike), rtol=0, atol=RESIDUAL)


def test_a_2d_flow_s_one_slice_is_all_that_is_seen():
    whole = flow_of(CONFIG.replace(flow_dimensions=2, pose_flow=False), RAMP)
    assert whole.shares is not None
    assert whole.shares.shape == (1, 1, 1, 16, 16)
    assert (whole.shares == 1).all()
    assert whole.flow.shape == (1, 3, 4, 16, 16)
    assert whole.flow.any()
    assert not (whole.flow - whole.flow[:, :, :1]).any()


@pytest.mark.parametrize("without", [{"rgb_warp": False, "matte_residual": False}, {"residual_flow": False}])
def test_without_a_residual_there_is_nothing_to_give(without):
    with pytest.raises(ValueError, match="residual_where_seen: expected False without rgb_warp and residual_flow"):
        CONFIG.replace(**without)
