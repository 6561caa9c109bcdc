"""Places that are kept from call to call: in bounds, for their type only, and of use wherever they were made.

Tests: lattice, warp_by_grid.
"""

import threading

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from flow3d_kernels import lattice, warp3d
from flow3d_kernels.lattice import positions


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(lattice, "_kept", {})


def test_places_and_positions_agree():
    for sizes in ((4, 2, 8), (1, 4, 8), (1, 1, 1)):
        places = lattice.lattice(sizes, torch.float64)
        axes = 2 if sizes[0] == 1 else 3
        flow = torch.zeros(1, 3, *sizes, dtype=torch.float64)
        whole = torch.stack([place[0] for place in positions(flow, torch.float64)])[:axes]
        assert torch.equal((places.centred + places.half).view(whole.shape), whole)
        ends = (places.half * places.unit).flatten().tolist()
        assert ends == [1 - 1 / size for size in sizes[::-1][:axes]]
    assert lattice.lattice((1, 4, 8), torch.float32).exact
    assert not lattice.lattice((1, 4, 6), torch.float32).exact


def test_a_lattice_is_made_once_for_each_size_and_type():
    first = lattice.lattice((2, 4, 8), torch.float32)
    assert lattice.lattice((2, 4, 8), torch.float32) is first
    assert lattice.lattice((2, 4, 8), torch.float64).centred.dtype == torch.float64
    assert lattice.lattice((2, 8, 4), torch.float32).centred.shape == (3, 2, 8, 4)
    assert lattice.lattice((2, 4, 8), torch.float32) is first


def test_what_is_kept_has_a_bound():
    for width in range(1, 3 * lattice.KEPT):
        lattice.lattice((1, 1, width), torch.float32)
    assert len(lattice._kept) == lattice.KEPT
    assert ((1, 1, 3 * lattice.KEPT - 1), torch.float32) in lattice._kept
    lattice.lattice((1, 512, 513), torch.float32)
    assert ((1, 512, 513), torch.float32) not in lattice._kept


def test_one_made_in_inference_mode_serves_training(draw, draw_flow, with_gradients):
    volume, flow = draw((1, 3, 1, 4, 8)), draw_flow((1, 3, 1, 4, 8))
    with torch.inference_mode():
        warp3d(volume, flow)
    assert len(lattice._kept) == 1
    after = with_gradients(warp3d, volume, flow)
    lattice._kept.clear()
    for kept, fresh in zip(after, with_gradients(warp3d, volume, flow), strict=True):
        assert torch.equal(kept, fresh)


def test_stand_ins_are_not_kept():
    with FakeTensorMode():
        lattice.lattice((2, 4, 8), torch.float32)
    assert not lattice._kept
    torch.func.functionalize(lambda x: x + lattice.lattice((2, 4, 8), torch.float32).centred)(torch.zeros(1))
    assert not lattice._kept
    with torch.device("meta"):
        assert lattice.lattice((2, 4, 8), torch.float32).centred.device.type == "cpu"


def test_threads_share_what_is_kept(draw, draw_flow):
    volume, flow = draw((1, 3, 2, 4, 8)), draw_flow((1, 3, 2, 4, 8))
    expected, got = warp3d(volume, flow), []

    def work():
        for width in range(1, 30):
            lattice.lattice((1, 1, width), torch.float64)
            got.append(torch.equal(warp3d(volume, flow), expected))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4 * 29
    assert all(got)
    assert len(lattice._kept) <= lattice.KEPT + len(threads)  # each may have found room for one
