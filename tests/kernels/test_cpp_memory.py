"""No address outside a tensor is touched, and nothing undefined is done: odd shapes under the compiler's sanitizers.

Tests: cpp_kernels.build, cpp_kernels.warp_op, cpp_kernels.adain_op.
"""

import os
import subprocess
import sys

import pytest

from flow3d_kernels.cpp_kernels import build

pytestmark = pytest.mark.slow

WATCHED = """
import itertools, os
import torch
from flow3d_kernels import adain3d, use_backend, warp3d
from flow3d_kernels.cpp_kernels import adain_op, build, library, warp_op

torch.set_num_threads(2)
build.OPTIONS = (*build.OPTIONS, "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
build.SOURCES = dict.fromkeys(build.SOURCES, "-O0")

def gradients(function, *tensors):
    out = function(*(tensor.requires_grad_() for tensor in tensors))
    torch.autograd.grad(out.sum(), tensors)

layouts = (torch.contiguous_format, torch.channels_last_3d)
shapes = [(1, 1, 1, 1, 2), (2, 3, 1, 4, 65), (1, 5, 2, 1, 3), (2, 17, 3, 2, 1), (1, 33, 2, 3, 5), (1, 70, 4, 33, 17)]
with use_backend("cpp"):
    for (B, C, *space), layout in itertools.product(shapes, layouts):
        for dtype, padding in ((torch.float32, "border"), (torch.float64, "zeros")):
            x = torch.randn(B, C, *space, dtype=dtype).contiguous(memory_format=layout)
            mask = torch.rand(B, 1, *space, dtype=dtype)
            for scale in (0.0, 1.0, 3.0, 1e30):
                flow = (scale * torch.randn(B, 3, *space, dtype=dtype)).contiguous(memory_format=layout)
                if scale == 3:
                    flow[..., 0], flow[:, 1, ..., -1] = torch.nan, torch.inf
                gradients(lambda *t: warp3d(*t, padding=padding), x, flow, mask)
            for axes in (2, 3, 5):
                style = torch.randn((B, C, *space)[:axes], dtype=dtype)
                gradients(lambda x, g, b, r: adain3d(x, g, b, negative_slope=0.1, residual=r), x, style, style, x + 1)
print("watched", flush=True)

# The control: one voxel more than there is.
rows, planes = torch.zeros(4, 8), torch.zeros(8, 4)
library.function("planes", torch.float32)(library.address(rows), library.address(planes), 1, 8, 5, 1)
print("never", flush=True)
"""


def runtime(name):
    """A sanitizer's library, which must be there before Python is; None where the compiler has none."""
    asked = subprocess.run([*build.compiler(), f"-print-file-name={name}"], capture_output=True, text=True, check=False)
    found = asked.stdout.strip()
    return found if os.path.isabs(found) else None


def test_odd_shapes_under_the_sanitizers():
    try:
        libraries = [runtime(name) for name in ("libasan.so", "libubsan.so")]
    except RuntimeError as error:
        pytest.skip(str(error))
    if None in libraries:
        pytest.skip(f"{build.compiler()[0]} has no sanitizers that Python can be started with")
    environment = os.environ | {"LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "watched\n", done.stderr
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
    assert "planes" in done.stderr
