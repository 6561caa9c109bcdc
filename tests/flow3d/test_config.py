"""Presets are sound, switches are named, and nonsense is refused."""

import pytest

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
        ({"unet": (8,) * 7}, "unet: expected at least 2 px"),
        ({"hole_musk": True}, "hole_musk: expected a field.*'hole_mask'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=message):
        preset("tiny").replace(**changes)


@pytest.mark.usefixtures("no_shape_checks")
def test_unknown_names_and_texts_are_refused():
    with pytest.raises(ValueError, match="name: expected one of micro, tiny, small, paper"):
        preset("large")
    with pytest.raises(ValueError, match="recipe: expected 'strict' or 'extended'"):
        preset("tiny", "loose")  # ty: ignore[invalid-argument-type]
    for text in ("{", "[]"):
        with pytest.raises(ValueError, match="text: expected"):
            RendererConfig.from_json(text)
