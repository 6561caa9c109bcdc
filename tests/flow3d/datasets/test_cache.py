"""Pairs from the cache are the pairs that rendering gives, exact flow and visibility included.

Tests: batch.
"""

import copy
import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from flow3d.datasets.batch import Batch
from flow3d.datasets.cache import HARD, YAW, FrameCache
from flow3d.datasets.cache_build import build_cache
from flow3d.datasets.pairs import driver_of
from flow3d.morphable import Person, exact_flow, making_faces, talking_head
from flow3d.morphable.coefficients import POSE
from flow3d.morphable.volume import VolumeGrid
from flow3d.morphable.volume_flow import rays_of, surface_flow, volume_truth
from tolerances import CACHE

SEED = 31


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> FrameCache:
    return build_cache(tmp_path_factory.mktemp("cache") / "frames", 3, 4, 32, seed=SEED, every=12)


def pairs(*rows: tuple[int, int, int]) -> tuple[np.ndarray, ...]:
    return tuple(np.array(column) for column in zip(*rows, strict=True))


def test_a_cache_held_in_memory_gives_the_same_batches(cache):
    chosen = pairs((0, 0, 3), (2, 1, 2))
    read, held = cache.batch(*chosen), FrameCache(cache.folder)
    held.hold_on("cpu")
    assert held.bytes == sum(each.nbytes for each in held.held.values())
    for kept, value in zip(held.batch(*chosen).tensors(), read.tensors(), strict=True):
        assert torch.equal(kept, value)


def test_pictures_flow_and_windows_equal_the_rendered_ones(cache):
    rows = [(0, 0, 3), (0, 2, 1), (1, 3, 0), (2, 1, 2)]
    batch = cache.batch(*pairs(*rows), both=False)
    flips = 0.0
    for k, (who, first, second) in enumerate(rows):
        person, motion = Person.random(SEED + who), talking_head(48, SEED + who)
        source, target = (person.render(motion.frame(f * 12), 32) for f in (first, second))
        flow, visible = exact_flow(target, source)
        assert (batch.flow[k] - flow).abs().max() <= CACHE["pixels"][0]
        flips += float((batch.visible[k] != visible).float().mean())
        for got, frame in ((batch.source, source), (batch.target, target)):
            assert (got[k] - frame.image).abs().max() <= CACHE["colours"][0]
        assert (batch.target_alpha[k] - target.alpha).abs().max() <= CACHE["colours"][0]
        assert torch.equal(batch.labels[k], target.labels)
        assert torch.equal(batch.target_window[k], motion.windows()[second * 12])
    assert flips <= CACHE["visible"][0]


def test_what_is_true_at_every_voxel_equals_what_is_rendered(cache):
    rows, depths = [(0, 0, 3), (1, 3, 0), (2, 1, 2)], VolumeGrid(slices=4).depths()
    batch = cache.batch(*pairs(*rows), both=False)
    truth = batch.volume_truth(depths)
    for k, (who, first, second) in enumerate(rows):
        person, motion = Person.random(SEED + who), talking_head(48, SEED + who)
        source, target = (person.render(motion.frame(f * 12), 32) for f in (first, second))
        surfaces = surface_flow(rays_of(target), source.placed[None], 32)
        here, there = (motion.values[f * 12, POSE][None] for f in (first, second))
        assert torch.equal(batch.source_pose[k : k + 1], here)
        assert torch.equal(batch.target_pose[k : k + 1], there)
        assert torch.equal(batch.surfaces.head[k], surfaces.head[0])
        for name in ("depth", "flow"):
            got, expected = getattr(batch.surfaces, name)[k], getattr(surfaces, name)[0]
            torch.testing.assert_close(got, expected, rtol=0, atol=CACHE["pixels"][0])
        alone = volume_truth(surfaces, here, there, depths)
        assert torch.equal(truth.occupied[k], alone.occupied[0])
        torch.testing.assert_close(truth.flow[k], alone.flow[0], rtol=0, atol=CACHE["pixels"][0])


def test_both_directions_have_surfaces_of_their_own(cache):
    both = cache.batch(*pairs((0, 1, 2)))
    back = cache.batch(*pairs((0, 2, 1)), both=False)
    assert torch.equal(both.surfaces.flow[1:], back.surfaces.flow)
    assert torch.equal(both.source_pose[1:], back.source_pose)
    assert not torch.equal(both.surfaces.flow[:1], both.surfaces.flow[1:])


def test_every_tensor_of_a_batch_is_changed_and_listed(cache):
    batch = cache.batch(*pairs((0, 1, 2)))
    doubled = batch.map(lambda tensor: torch.cat([tensor, tensor]))
    for one, two in zip(batch.tensors(), doubled.tensors(), strict=True):
        assert len(two) == 2 * len(one) == 4
    fields = {f.name for f in dataclasses.fields(Batch)} - {"surfaces"} | {"depth", "head", "moves"}
    assert len(batch.tensors()) == len(fields)
    assert all(torch.equal(a, b) for a, b in zip(batch.to("cpu").tensors(), batch.tensors(), strict=True))


def test_the_foreground_is_the_person_on_black_and_rejoins_its_background(cache):
    batch = cache.batch(*pairs((1, 0, 2)), both=False)
    empty = batch.source_alpha.expand(-1, 3, -1, -1) == 0
    assert (batch.source_foreground[empty] == -1).all()
    assert torch.equal(
        batch.source[~empty & (batch.source_alpha == 1)], batch.source_foreground[~empty & (batch.source_alpha == 1)]
    )


def test_both_directions_are_the_pairs_and_then_the_pairs_reversed(cache):
    both = cache.batch(*pairs((0, 1, 2), (2, 0, 3)))
    back = cache.batch(*pairs((0, 2, 1), (2, 3, 0)), both=False)
    assert len(both) == 4
    assert torch.equal(both.source[2:], both.target[:2])
    assert torch.equal(both.flow[2:], back.flow)
    assert torch.equal(both.visible[2:], back.visible)


def test_drawing_repeats_and_never_pairs_a_frame_with_itself(cache):
    draws = [cache.draw(np.random.default_rng(5), 64, hard=0.5) for _ in range(2)]
    assert all(np.array_equal(a, b) for a, b in zip(*draws, strict=True))
    assert (draws[0][1] != draws[0][2]).all()


def test_hard_pairs_differ_more_in_expression_and_less_in_yaw(cache):
    many = copy.copy(cache)  # drawing looks at coefficients alone, so no frame need be rendered
    many.identities, many.frames = 20, 16
    many.kept = torch.stack([talking_head(96, seed).values[::6] for seed in range(20)])

    def differences(hard: float) -> tuple[float, float]:
        who, first, second = many.draw(np.random.default_rng(0), 1000, hard)
        change = (many.kept[who, first] - many.kept[who, second]).abs().mean(0)
        return float(change[list(HARD)].mean()), float(change[YAW])

    (expression, yaw), (easy_expression, easy_yaw) = differences(1.0), differences(0.0)
    assert expression > 1.1 * easy_expression
    assert yaw < easy_yaw


def test_the_second_clip_moves_as_another_person_does(tmp_path):
    both = build_cache(tmp_path, 1, 6, 32, seed=SEED, every=12, clips=2)
    own, other = (talking_head(36, seed) for seed in (SEED, driver_of(SEED)))
    batch = both.batch(*pairs((0, 2, 3)), both=False)
    frame = Person.random(SEED).render(other.frame(0), 32)
    assert (batch.target[0] - frame.image).abs().max() <= CACHE["colours"][0]
    assert torch.equal(batch.source_window[0], own.windows()[24])
    assert torch.equal(batch.target_window[0], other.windows()[0])
    for cross in (0.0, 1.0):
        for hard in (0.0, 1.0):
            _, first, second = both.draw(np.random.default_rng(0), 100, hard, cross)
            assert ((first // 3 == second // 3) == (cross == 0)).all()
            assert (first != second).all()


def test_a_pair_from_the_cache_poses_nobody_and_renders_nothing(cache, monkeypatch):
    """Two rendered frames take 25 ms at 32 px, a cached pair 1 ms: what the cache is for, told without a clock."""

    def refuse(*_, **__):
        raise AssertionError("a cached pair needs no person")

    for name in ("random", "render", "vertices"):
        monkeypatch.setattr(Person, name, refuse)
    assert len(cache.batch(*cache.draw(np.random.default_rng(0), 16))) == 32
    with pytest.raises(AssertionError, match="needs no person"):
        Person.random(SEED)


def test_the_third_clip_makes_faces(tmp_path):
    three = build_cache(tmp_path, 1, 6, 32, seed=SEED, every=12, clips=3)
    batch = three.batch(*pairs((0, 1, 4)), both=False)
    assert torch.equal(batch.target_window[0], making_faces(24, SEED).windows()[0])
    _, first, second = three.draw(np.random.default_rng(0), 300, 0.5, 1.0)
    assert set(zip(first // 2, second // 2, strict=True)) == {(a, b) for a in range(3) for b in range(3) if a != b}
    _, first, second = three.draw(np.random.default_rng(0), 300, 0.5, 0.0)
    assert (first // 2 == second // 2).all()
    assert (first != second).all()


def test_a_pair_of_two_clips_needs_two(cache):
    with pytest.raises(ValueError, match="cross: expected a cache of 2 or more clips"):
        cache.draw(np.random.default_rng(0), 4, cross=0.5)


@pytest.fixture
def own(cache, tmp_path):
    """A copy to be spoiled."""
    return shutil.copytree(cache.folder, tmp_path / "own")


def test_damaged_arrays_are_named(own):
    np.save(own / "alpha.npy", np.zeros(3))
    with pytest.raises(ValueError, match=r"folder: expected uint8 \(3, 4, 32, 32\) in alpha.npy, got float64 \(3,\)"):
        FrameCache(own)
    (own / "alpha.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': ")
    with pytest.raises(ValueError, match=r"folder: cannot read alpha.npy"):
        FrameCache(own)
    (own / "alpha.npy").unlink()
    with pytest.raises(ValueError, match=r"folder: cannot read alpha.npy \(it is no file\)"):
        FrameCache(own)


def test_coefficients_that_are_not_finite_are_refused(own):
    values = np.load(own / "coefficients.npy", mmap_mode="r+")
    values[1, 2, 3] = np.nan
    values.flush()
    with pytest.raises(ValueError, match=r"folder: expected finite numbers in coefficients.npy"):
        FrameCache(own)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "folder: expected a cache of version 3, got 2 in cache.json"),
        ({"frames": "4"}, "folder: expected a whole number of 1 or more for frames, got '4'"),
        ({"frames": True}, "folder: expected a whole number of 1 or more for frames, got True"),
        ({"every": 0}, "folder: expected a whole number of 1 or more for every, got 0"),
        ({"size": 10**400}, "folder: expected a whole number of 1 or more for size"),
        ({"seed": None}, "folder: expected a whole number of 0 or more for seed, got None"),
    ],
    ids=["version", "word", "switch", "nothing", "endless", "missing"],
)
def test_a_description_that_says_nothing_sensible_is_refused(own, change, message):
    description = own / "cache.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        FrameCache(own)


@pytest.mark.parametrize("text", ["", "[1", "[" * 100_000, "[]", "\x00"], ids=["empty", "torn", "deep", "list", "zero"])
def test_a_description_that_is_no_json_object_is_refused(own, text):
    (own / "cache.json").write_text(text)
    with pytest.raises(ValueError, match=r"folder: expected (JSON in cache.json|a cache of version 3)"):
        FrameCache(own)


def test_a_folder_without_a_cache_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder: expected a finished cache"):
        FrameCache(tmp_path)
