"""Every refusal names its argument, what was expected and what came.

Tests: operations, _check.
"""

import math
import re
from typing import Any

import pytest
import torch

from flow3d_kernels import adain3d, backend, use_backend, warp3d

pytestmark = pytest.mark.usefixtures("no_shape_checks")

VOLUME = torch.zeros(2, 4, 3, 5, 6)
FLOW = torch.zeros(2, 3, 3, 5, 6)
MASK = torch.zeros(2, 1, 3, 5, 6)
STYLE = torch.zeros(2, 4)

BAD_WARPS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "volume no tensor": ({"volume": [1.0]}, TypeError, "volume must be a torch.Tensor; got list"),
    "volume of integers": (
        {"volume": VOLUME.long()},
        TypeError,
        "volume must be a floating-point tensor; got torch.int",
    ),
    "volume of eight bits": (
        {"volume": VOLUME.to(torch.float8_e4m3fn)},
        TypeError,
        "volume must be float16, bfloat16, float32 or float64; got torch.float8_e4m3fn",
    ),
    "mask of eight bits": ({"mask": MASK.to(torch.float8_e5m2)}, TypeError, "mask must be float16, bfloat16, float32"),
    "volume of four axes": (
        {"volume": VOLUME[0]},
        ValueError,
        "volume must be (B, C, D, H, W); got 4 axes: (4, 3, 5, 6)",
    ),
    "no batch": ({"volume": VOLUME[:0]}, ValueError, "volume must have no empty axis in (B, C, D, H, W); got (0, 4,"),
    "no height": ({"volume": VOLUME[:, :, :, :0]}, ValueError, "volume must have no empty axis"),
    "flow None": ({"flow": None}, TypeError, "flow must be a torch.Tensor; got NoneType"),
    "flow in the plane": (
        {"flow": FLOW[:, :2]},
        ValueError,
        "flow must be (B, 3, D, H, W) = (2, 3, 3, 5, 6) to match volume",
    ),
    "flow of another batch": ({"flow": FLOW[:1]}, ValueError, "got (1, 3, 3, 5, 6)"),
    "flow of another size": ({"flow": FLOW[..., :5]}, ValueError, "flow must be (B, 3, D, H, W)"),
    "flow channels last": ({"flow": FLOW.movedim(1, -1)}, ValueError, "flow must be (B, 3, D, H, W)"),
    "flow in half precision": ({"flow": FLOW.bfloat16()}, TypeError, "flow must be float32"),
    "flow of integers": ({"flow": FLOW.int()}, TypeError, "flow must be a floating-point tensor; got torch.int32"),
    "flow elsewhere": ({"flow": FLOW.to("meta")}, ValueError, "flow must be on the device of volume, cpu; got meta"),
    "mask of many channels": ({"mask": VOLUME}, ValueError, "mask must be (B, 1, D, H, W) = (2, 1, 3, 5, 6)"),
    "mask of booleans": ({"mask": MASK.bool()}, TypeError, "mask must be a floating-point tensor; got torch.bool"),
    "mask elsewhere": ({"mask": MASK.to("meta")}, ValueError, "mask must be on the device of volume"),
    "padding unknown": ({"padding": "reflect"}, ValueError, 'padding must be "border" or "zeros"; got \'reflect\''),
    "padding None": ({"padding": None}, ValueError, "padding must be"),
    "padding a list": ({"padding": ["zeros"]}, ValueError, "padding must be"),
    "deterministic a word": (
        {"deterministic": "yes"},
        TypeError,
        "deterministic must be True, False or None; got 'yes'",
    ),
}


@pytest.mark.parametrize("case", BAD_WARPS)
def test_warp3d_refuses(case):
    changes, error, message = BAD_WARPS[case]
    arguments: dict[str, Any] = {"volume": VOLUME, "flow": FLOW, "mask": MASK} | changes
    with pytest.raises(error, match=re.escape(message)):
        warp3d(**arguments)


BAD_ADAINS: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "x no tensor": ({"x": None}, TypeError, "x must be a torch.Tensor; got NoneType"),
    "x of integers": ({"x": VOLUME.int()}, TypeError, "x must be a floating-point tensor"),
    "x an image": ({"x": VOLUME[:, :, 0]}, ValueError, "x must be (B, C, D, H, W); got 4 axes"),
    "x empty": ({"x": VOLUME[:, :0]}, ValueError, "x must have no empty axis"),
    "x of one voxel": ({"x": VOLUME[..., :1, :1, :1]}, ValueError, "x must have more than one voxel in (D, H, W)"),
    "gamma of other channels": (
        {"gamma": STYLE[:, :3]},
        ValueError,
        "gamma must be (B, C) = (2, 4) or (B, C, D) = (2, 4, 3)",
    ),
    "gamma of one axis": ({"gamma": STYLE[0]}, ValueError, "gamma must be"),
    "gamma of integers": ({"gamma": STYLE.int()}, TypeError, "gamma must be a floating-point tensor"),
    "beta of other depth": ({"beta": torch.zeros(2, 4, 5)}, ValueError, "beta must be (B, C) = (2, 4) or"),
    "beta elsewhere": ({"beta": STYLE.to("meta")}, ValueError, "beta must be on the device of x, cpu; got meta"),
    "residual smaller": ({"residual": VOLUME[:, :1]}, ValueError, "residual must be (B, C, D, H, W) = (2, 4, 3, 5, 6)"),
    "residual a number": ({"residual": 0.0}, TypeError, "residual must be a torch.Tensor; got float"),
    "eps zero": ({"eps": 0.0}, ValueError, "eps must be positive; got 0.0"),
    "eps NaN": ({"eps": math.nan}, ValueError, "eps must be finite; got nan"),
    "eps a word": ({"eps": "small"}, TypeError, "eps must be a number; got str"),
    "eps a truth": ({"eps": True}, TypeError, "eps must be a number; got bool"),
    "slope infinite": ({"negative_slope": math.inf}, ValueError, "negative_slope must be finite; got inf"),
    "slope negative": ({"negative_slope": -0.1}, ValueError, "negative_slope must be None or at least 0; got -0.1"),
}


@pytest.mark.parametrize("case", BAD_ADAINS)
def test_adain3d_refuses(case):
    changes, error, message = BAD_ADAINS[case]
    arguments: dict[str, Any] = {"x": VOLUME, "gamma": STYLE, "beta": STYLE} | changes
    with pytest.raises(error, match=re.escape(message)):
        adain3d(**arguments)


def test_a_mapped_axis_is_refused_by_name():
    with pytest.raises(ValueError, match=r"volume must not be under torch\.vmap: make the mapped axis part of B"):
        torch.vmap(warp3d)(VOLUME[None], FLOW[None])
    with pytest.raises(ValueError, match=r"gamma must not be under torch\.vmap"):
        torch.vmap(lambda gamma: adain3d(VOLUME, gamma, STYLE))(STYLE[None])


def test_more_than_2_to_the_31_elements_are_no_surprise():
    """Without memory: a value repeated 2^32 times, and a result of that shape."""
    volume = torch.empty((), device="meta").expand(1, 4, 1024, 1024, 1024)
    with use_backend("torch"):
        assert warp3d(volume, volume[:, :3]).shape == volume.shape
        assert adain3d(volume, volume[:, :, 0, 0, 0], volume).shape == volume.shape
    with pytest.raises(ValueError, match="flow must be"):
        warp3d(volume, volume)


def test_backend_refuses(monkeypatch):
    no_tensor: Any = "cpu"
    with pytest.raises(TypeError, match=r"tensor must be a torch\.Tensor or None; got str"):
        backend(no_tensor)
    with (
        pytest.raises(ValueError, match="name must be one of auto, torch, cpp, triton, reference; got 'cuda'"),
        use_backend("cuda"),
    ):
        pass
    monkeypatch.setenv("FLOW3D_BACKEND", "tritn")
    message = "FLOW3D_BACKEND must be one of auto, torch, cpp, triton, reference; got 'tritn'"
    with pytest.raises(ValueError, match=message):
        warp3d(VOLUME, FLOW)
