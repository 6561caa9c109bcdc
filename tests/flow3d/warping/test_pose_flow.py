"""The pose's own flow: for each of a batch, differentiable, and what the network starts from.

Tests: extensions, stage.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from flow3d import FlowRenderer, preset
from flow3d.morphable import Coefficients
from flow3d.morphable.volume import VolumeGrid, rigid_flow
from tolerances import VOLUME

POSES = ({"yaw": -0.2, "pitch": 0.1}, {"yaw": 0.3, "roll": 0.1})
MOVED = (
    {"yaw": -0.1, "translation_x": 0.06, "crop_scale": 0.9},
    {"yaw": 0.1, "translation_y": -0.04, "translation_z": 0.2, "crop_scale": 1.1, "crop_x": 9.0},
)


def moved(poses: tuple[dict[str, float], dict[str, float]]) -> list[Coefficients]:
    return [Coefficients.neutral().replace(**pose) for pose in poses]


def test_each_of_a_batch_gets_its_own_and_gradients_reach_the_pose():
    here, there = (torch.cat([each.values[:, 64:] for each in moved(poses)]) for poses in (POSES, MOVED))
    depths = VolumeGrid().depths(4)
    there.requires_grad_()
    both = rigid_flow(here, there, depths, 8)
    for k in range(2):
        torch.testing.assert_close(both[k : k + 1], rigid_flow(here[k : k + 1], there[k : k + 1], depths, 8))
    both.square().mean().backward()
    assert there.grad is not None
    assert (there.grad.abs() > 0).all()


class NoLists(TorchDispatchMode):
    """Refuses tensors that are made of Python's lists: on a card they are copies, which no CUDA graph may record."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func is not torch.ops.aten.lift_fresh.default
        return func(*args, **kwargs or {})


def test_a_graph_may_record_it():
    here, there = (torch.cat([each.values[:, 64:] for each in moved(poses)]) for poses in (POSES, MOVED))
    depths = VolumeGrid().depths(4)
    with NoLists():
        assert torch.isfinite(rigid_flow(here, there, depths, 8)).all()
    with NoLists(), pytest.raises(AssertionError):
        torch.tensor([1.0])


def test_the_network_starts_from_the_pose_and_keeps_the_rest_of_its_vector():
    torch.manual_seed(0)
    config = preset("micro", "extended")
    renderer = FlowRenderer(config).eval()
    windows = torch.cat([each.windows() for each in moved(POSES)])  # (2, 73, 27)
    z = renderer.mapping(windows)
    assert z.shape == (2, config.z_length) == (2, config.motion + 9)
    torch.testing.assert_close(z[:, config.motion :][:, :3], windows[:, 64:67, 13])
    source = renderer.warping.encode(torch.rand(1, 3, 32, 32) * 2 - 1)
    flow = renderer.warping(source, z[1:], z[:1]).flow
    expected = rigid_flow(windows[:1, 64:, 13], windows[1:, 64:, 13], VolumeGrid().depths(4), 16)
    torch.testing.assert_close(flow, expected)
    assert expected[:, :2].abs().max() > 1
    still = renderer.warping(source, z[:1], z[:1]).flow
    assert still.abs().max() < VOLUME["no turn"][0]


def test_a_renderer_that_is_told_the_pose_survives_its_files(tmp_path):
    renderer = FlowRenderer(preset("micro", "extended")).eval()
    again = FlowRenderer.from_pretrained(renderer.save_pretrained(tmp_path / "weights"))
    assert again.config.pose_flow
    windows, picture = moved(POSES)[0].windows(), torch.rand(3, 32, 32) * 2 - 1
    frames = [
        torch.stack(list(each.eval().reenact(picture, windows, alpha=torch.ones(1, 32, 32), source_window=windows[0])))
        for each in (renderer, again)
    ]
    assert torch.equal(*frames)


@pytest.mark.parametrize("without", [{"source_coefficients": False}, {"flow_dimensions": 2}])
def test_without_a_source_or_a_third_dimension_it_is_refused(without):
    with pytest.raises(ValueError, match="pose_flow: expected False without source_coefficients and a 3D flow"):
        preset("micro", "extended").replace(**without)
