"""Every network of stage 2 has the shape, the start and the dependence that the paper gives it.

Tests: mapping, adain, encoder, decoder, flow_network, extensions, stage.
"""

import pytest
import torch

from flow3d.config import PRESETS, preset
from flow3d.datasets import make_pair
from flow3d.morphable import Coefficients, talking_head
from flow3d.morphable.coefficients import POSE
from flow3d.warping import (
    AdaIN,
    AdaINConv2d,
    FeatureDecoder,
    FeatureEncoder,
    FlowNetwork,
    MappingNetwork,
    WarpingStage,
    flow_to_image,
    warp_pixels,
)
from tolerances import NETWORKS, VOLUME

LAYER = NETWORKS["layer"][0]

MICRO = preset("micro")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def awake(network: FlowNetwork) -> FlowNetwork:
    """A flow network whose head is no longer zero."""
    torch.nn.init.normal_(network.head.weight, std=0.1)
    return network


@pytest.mark.parametrize("recipe", ["strict", "extended"])
@pytest.mark.parametrize("name", PRESETS[:3])
def test_flow_and_features_share_one_volume_and_start_as_the_identity(name, recipe):
    config = preset(name, recipe)
    stage = WarpingStage(config)
    source = stage.encode(torch.rand(1, 3, config.size, config.size) * 2 - 1)
    z = torch.randn(1, config.z_length)
    if config.pose_flow:  # its vector ends in a pose, and two equal poses turn nothing
        z[:, config.motion :] = Coefficients.neutral().values[:, POSE]
    warped = stage(source, z, z)
    assert warped.flow.shape == (1, 3, *config.volume)
    assert warped.flow.dtype == torch.float32
    assert warped.flow.abs().max() <= (VOLUME["no turn"][0] if config.pose_flow else 0)
    assert source.volume.shape == (1, config.encoder_channels, *config.volume)
    torch.testing.assert_close(warped.volume, source.volume, rtol=0, atol=VOLUME["no turn"][0])
    assert warped.image.shape == source.foreground.shape
    assert warped.image.abs().max() <= 1
    assert (warped.pixels is None) == (recipe == "strict")
    if warped.pixels is not None:
        torch.testing.assert_close(warped.pixels, source.foreground, rtol=0, atol=VOLUME["no turn"][0])


def test_a_strict_stage_holds_no_extension():
    strict = {name.split(".")[0] for name, _ in WarpingStage(MICRO).named_parameters()}
    assert strict == {"flow_network", "encoder", "decoder"}
    extended = {name.split(".")[0] for name, _ in WarpingStage(preset("micro", "extended")).named_parameters()}
    assert extended - strict == {"code", "collapse", "residual"}


def test_the_motion_vector_sees_all_27_frames_and_no_more():
    network = MappingNetwork(16)
    window = torch.randn(2, 73, 27, requires_grad=True)
    z = network(window)
    assert z.shape == (2, 16)
    (gradient,) = torch.autograd.grad(z[0].sum(), window)
    assert (gradient[0].abs().sum(0) > 0).all()
    assert not gradient[1].any()


def test_the_mapping_network_standardises_raw_coefficients():
    network, motion = MappingNetwork(8), talking_head(60, 1)
    network.standardise(motion.values)
    scaled = (motion.values - network.mean) / network.std
    assert scaled.mean(0).abs().max() < NETWORKS["standardised mean"][0]
    assert {"mean", "std"} <= set(network.state_dict())
    z = network(motion.windows())
    network.std.mul_(2)
    assert not torch.allclose(z, network(motion.windows()))
    with pytest.raises(ValueError, match="coefficients: expected at least 2"):
        network.standardise(motion.values[:1])


def test_adain_is_the_formula_in_two_and_three_dimensions():
    z = torch.randn(2, 8)
    for shape, depth in (((2, 4, 6, 5), None), ((2, 4, 3, 6, 5), None), ((2, 4, 3, 6, 5), 3)):
        layer, x, residual = AdaIN(4, 8, 6, depth), torch.randn(shape), torch.randn(shape)
        style = layer.scale_and_bias(layer.shared(z))
        gamma, beta = style.view(2, 8, *([depth] if depth else [])).chunk(2, 1)
        space = tuple(range(2, len(shape)))
        mean, var = x.mean(space, keepdim=True), x.var(space, keepdim=True, unbiased=False)
        gamma, beta = (s.reshape(*s.shape, *[1] * (len(shape) - s.ndim)) for s in (gamma, beta))
        y = (x - mean) / (var + 1e-5).sqrt() * (1 + gamma) + beta + residual
        expected = torch.where(y > 0, y, 0.1 * y)
        torch.testing.assert_close(layer(x, z, residual), expected, rtol=LAYER, atol=LAYER)


def test_a_modulated_convolution_follows_the_motion():
    layer, x = AdaINConv2d(3, 4, 8, 6), torch.randn(1, 3, 8, 8)
    assert not torch.allclose(layer(x, torch.randn(1, 8)), layer(x, torch.randn(1, 8)))


def test_the_flow_depends_on_source_and_motion_and_teaches_all_its_weights():
    network = awake(FlowNetwork(MICRO))
    pictures, z = torch.rand(2, 3, 32, 32), torch.randn(2, 16)
    flow = network(network.lift(pictures), z)
    assert not torch.allclose(flow, network(network.lift(pictures), z.flip(0)))
    assert not torch.allclose(flow, network(network.lift(pictures.flip(0)), z))
    flow.pow(2).mean().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # a bias in front of an instance normalisation is subtracted again
    assert all(name.startswith("stem.") and name.endswith("bias") for name in silent), silent


def test_the_two_dimensional_twin_has_no_depth():
    network = awake(FlowNetwork(MICRO.replace(flow_dimensions=2)))
    flow = network(network.lift(torch.rand(1, 3, 32, 32)), torch.randn(1, 16))
    assert flow.shape == (1, 3, 1, 16, 16)
    assert flow[:, :2].any()
    assert not flow[:, 2].any()


def test_a_two_dimensional_flow_warps_every_slice_alike():
    stage = WarpingStage(MICRO.replace(flow_dimensions=2))
    awake(stage.flow_network)
    source, z = stage.encode(torch.rand(1, 3, 32, 32)), torch.randn(1, 16)
    warped = stage(source, z)
    assert warped.volume.shape == source.volume.shape
    assert not torch.allclose(warped.volume, source.volume)


def test_a_two_dimensional_flow_moves_pixels_as_it_moves_its_slices():
    config = preset("micro", "extended").replace(
        flow_dimensions=2, pose_flow=False, residual_flow=False, residual_where_seen=False
    )
    stage = WarpingStage(config)
    awake(stage.flow_network)
    source, z = stage.encode(torch.rand(1, 3, 32, 32)), torch.randn(1, config.z_length)
    warped = stage(source, z, torch.randn(1, config.z_length))
    assert warped.flow.any()
    assert torch.equal(warped.pixel_flow, flow_to_image(warped.flow[:, :, :1], None, 32))


def test_the_encoder_keeps_depth_and_the_decoder_folds_it():
    encoder, decoder = FeatureEncoder(MICRO), FeatureDecoder(MICRO)
    volume = encoder(torch.rand(2, 3, 32, 32))
    assert volume.shape == (2, 4, 4, 16, 16)
    picture = decoder(volume)
    assert picture.shape == (2, 3, 32, 32)
    flipped = decoder(volume.flip(2))  # depth becomes channels: its order matters
    assert not torch.allclose(picture, flipped)


def test_an_extended_stage_needs_the_sources_motion():
    stage = WarpingStage(preset("micro", "extended"))
    source = stage.encode(torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match="start: expected the source's motion vector, which source_coefficients need"):
        stage(source, torch.randn(1, 16))


def test_one_source_serves_many_motions():
    stage = WarpingStage(MICRO)
    awake(stage.flow_network)
    source, z = stage.encode(torch.rand(1, 3, 32, 32)), torch.randn(3, 16)
    together = stage(source.expand(3), z).image
    for k in range(3):
        alone = stage(source, z[k : k + 1]).image
        torch.testing.assert_close(together[k : k + 1], alone, rtol=0, atol=NETWORKS["one motion or three"][0])


def test_a_volumes_flow_becomes_an_images():
    pair = make_pair(44, size=64)
    flow = torch.zeros(1, 3, 4, 32, 32)
    flow[:, 0], flow[:, 1] = 1.5, -0.5  # voxels of stride 2
    pixels = flow_to_image(flow, None, 64)
    assert pixels.shape == (1, 2, 64, 64)
    torch.testing.assert_close(pixels[0, :, 20, 20], torch.tensor([3.0, -1.0]))
    moved = warp_pixels(pair.source[None], pixels)
    torch.testing.assert_close(moved[0, :, 10:50, 10:50], pair.source[:, 9:49, 13:53])
    weights = torch.zeros(1, 1, 4, 32, 32)
    weights[:, :, 2] = 1
    flow[:, 0, 2] = 4.0
    assert flow_to_image(flow, weights, 64)[0, 0, 5, 5] == 8.0
    with pytest.raises(ValueError, match="size: expected a multiple"):
        flow_to_image(flow, None, 48)


def test_a_ramp_is_enlarged_about_voxel_centres():
    ramp = torch.arange(8.0).expand(1, 1, 1, 8, 8)
    flow = torch.cat([ramp, 0 * ramp, 0 * ramp], 1)
    pixels = flow_to_image(flow, None, 32)[0, 0, 0]  # voxel i sits at pixel 4 i + 1.5
    inner = torch.arange(2.0, 29.0)
    torch.testing.assert_close(pixels[2:29], 4 * (inner - 1.5) / 4)
