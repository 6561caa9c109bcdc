"""Both operations take part in PyTorch's protocol of overrides, as its own functions do: a mode sees them whole.

Tests: operations.
"""

import torch
from torch.overrides import TorchFunctionMode

from flow3d_kernels import adain3d, warp3d


class Seen(TorchFunctionMode):
    """Notes with what the two are called by name, and passes everything on."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (warp3d, adain3d):
            self.calls.append((func, dict(kwargs or {})))
        return func(*args, **(kwargs or {}))


def test_a_mode_sees_one_call_with_all_its_options():
    volume, flow, style = torch.randn(1, 2, 3, 4, 5), torch.randn(1, 3, 3, 4, 5), torch.randn(1, 2)
    with Seen() as seen:
        warped = warp3d(volume, flow, padding="zeros")
        styled = adain3d(volume, style, style, negative_slope=0.1, residual=volume)
    (warp, warp_options), (adain, adain_options) = seen.calls
    assert (warp, adain) == (warp3d, adain3d)
    assert warp_options == {"padding": "zeros", "deterministic": None}
    assert adain_options.keys() == {"eps", "negative_slope", "residual"}
    assert torch.equal(warped, warp3d(volume, flow, padding="zeros"))
    assert torch.equal(styled, adain3d(volume, style, style, negative_slope=0.1, residual=volume))


def test_a_default_device_changes_nothing():
    volume, flow = torch.randn(1, 2, 3, 4, 5), torch.randn(1, 3, 3, 4, 5)
    plain = warp3d(volume, flow)
    with torch.device("meta"):
        assert torch.equal(warp3d(volume, flow), plain)
