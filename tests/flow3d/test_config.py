"""Presets are sound, switches are named, and nonsense is refused."""

import dataclasses
import json
from pathlib import Path

import pytest

import flow3d.config
import flow3d.training.config
from flow3d.config import PRESETS, RendererConfig, preset


@pytest.mark.parametrize("recipe", ["strict", "extended"])
@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name, recipe):
    config = preset(name, recipe)
    assert (config.name, config.recipe) == (name, recipe)
    assert RendererConfig.from_json(config.to_json()) == config


def test_strict_has_none_of_the_extensions():
    strict, extended = preset("tiny"), preset("tiny", "extended")
    ours = ("refiner_alpha", "hole_mask", "paste_known_background", "paste_person", "source_coefficients", "rgb_warp",
            "residual_flow", "refine_residual")  # fmt: skip
    assert not any(getattr(strict, name) for name in ours)
    assert all(getattr(extended, name) for name in ours)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 48}, "size: expected a power of two"),
        ({"encoder_strides": (2, 2, 1)}, "encoder_strides: expected a feature volume as wide as the flow, 32, got 16"),
        ({"decoder_ups": 2}, "decoder_ups: expected 32 doubled to 64"),
        ({"flow_stages": (8,) * 5}, "flow_stages: expected more than one voxel"),
        ({"flow_volume": (16, 6)}, "flow_volume: expected a depth that 3 stages can halve, got (16, 6)"),
        ({"decoder_width": 1}, "decoder_width: expected at least 2, which doublings halve, got 1"),
        ({"pose_flow": True, "source_coefficients": True, "flow_volume": (16, 1)}, "flow_volume: expected two slices"),
        ({"unet": (8,) * 7}, "unet: expected at least 2 px"),
        ({"refiner_alpha": True, "refine": False}, "refiner_alpha: expected False where refine is, got True"),
        ({"hole_fill": True}, "hole_mask: expected True where hole_fill is, got False"),
        ({"matte_residual": True}, "matte_residual: expected False without refiner_alpha and rgb_warp, got True"),
        ({"pose_flow": True}, "pose_flow: expected False without source_coefficients and a 3D flow, got True"),
        ({"hole_musk": True}, "hole_musk: expected a field of RendererConfig; the nearest is 'hole_mask'"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else None,
)
def test_what_does_not_fit_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match="expected") as caught:
        preset("tiny").replace(**changes)
    assert str(caught.value).startswith(message)


def test_a_depth_that_fewer_stages_halve_is_allowed():
    config = preset("tiny").replace(flow_volume=(16, 6), flow_stages=(24,))
    assert config.volume == (6, 32, 32)
    assert preset("tiny").replace(flow_volume=(16, 6), flow_dimensions=2).volume == (6, 32, 32)


# What a file of a hundred bytes asked for when sizes had no limit: 2 TB, or a network that never ended.
HOSTILE = {
    "motion": 10**9, "decoder_blocks": 10**6, "size": 2**30, "adain_hidden": 2**20, "flow_volume": [10**6, 4],
    "unet": [16] * 10**5, "encoder_strides": [0, 1, 1], "flow_downs": -1, "decoder_ups": 10**9, "recipe": "x",
    "adain_style": "x", "adain_in": "x", "name": 5, "separate": "no", "hole_mask": 1, "flow_dimensions": 4,
}  # fmt: skip


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_before_a_network_is_built(name):
    with pytest.raises(ValueError, match=f"^{name}: expected .*, got "):
        RendererConfig.from_json(json.dumps({name: HOSTILE[name]}))


@pytest.mark.usefixtures("no_shape_checks")
def test_unknown_names_and_texts_are_refused():
    with pytest.raises(ValueError, match="name: expected one of micro, tiny, small, paper"):
        preset("large")
    with pytest.raises(ValueError, match="recipe: expected 'strict' or 'extended'"):
        preset("tiny", "loose")  # ty: ignore[invalid-argument-type]
    for text in ("{", "[]"):
        with pytest.raises(ValueError, match="text: expected"):
            RendererConfig.from_json(text)


@pytest.mark.parametrize("module", [flow3d.config, flow3d.training.config], ids=lambda module: module.__name__)
def test_a_switch_is_explained_where_it_stands(module):
    """In its own line or in the comment above it."""
    lines = Path(module.__file__).read_text(encoding="utf-8").splitlines()
    (config,) = (c for c in vars(module).values() if dataclasses.is_dataclass(c) and c.__module__ == module.__name__)
    for field in dataclasses.fields(config):
        if field.default is True or field.default is False or field.default in (0.0, None):
            (row,) = (k for k, line in enumerate(lines) if line.startswith(f"    {field.name}: "))
            assert "  # " in lines[row] or lines[row - 1].startswith("    # "), field.name
