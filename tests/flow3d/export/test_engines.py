"""onnxruntime's frames are PyTorch's at every batch and option of reenact; where it is missing, one line says so.

Tests: onnx_engine, speed.
"""

import sys
from typing import Any

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets import make_pair
from flow3d.export import speed
from flow3d.export.engines import ENGINES, maker_of
from flow3d.export.onnx_engine import OnnxEngine
from flow3d.morphable import talking_head
from flow3d.renderer import Engine
from tolerances import EXPORT

SEED = 1_000_053


def frames(renderer: FlowRenderer, engine: Engine | None = None, **options: Any) -> torch.Tensor:
    pair = make_pair(SEED, renderer.config.size)
    options |= {"alpha": pair.source_alpha, "source_window": pair.source_window, "engine": engine}
    return torch.stack(list(renderer.reenact(pair.source, talking_head(9, 7), **options)))


@pytest.mark.parametrize("batch", [1, 4, 8])
def test_frames_of_the_shipped_renderer_are_pytorch_s(batch):
    renderer = FlowRenderer.from_pretrained("tiny")
    plain, exported = frames(renderer, batch=batch), frames(renderer, OnnxEngine(renderer), batch=batch)
    assert exported.shape == plain.shape == (9, 3, 64, 64)
    assert (exported - plain).abs().max() < EXPORT["shipped"][0]
    assert (plain[0] - plain[-1]).abs().max() > 0.1  # the head moves


@pytest.mark.parametrize("recipe", ["strict", "extended"])
@pytest.mark.parametrize("motion", ["absolute", "relative"])
def test_frames_of_both_recipes_are_pytorch_s(untrained, recipe, motion):
    """A strict model has a motion of its source too where the motion is relative, and its graph does not take it."""
    renderer = untrained(preset("micro", recipe))
    options: dict[str, Any] = {"motion": motion, "crop_correction": True, "causal": True}
    plain, exported = frames(renderer, **options), frames(renderer, OnnxEngine(renderer), **options)
    assert (exported - plain).abs().max() < EXPORT["untrained"][0]


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_has_a_name(untrained, name):
    renderer = untrained(preset("micro"))
    made = frames(renderer, maker_of(name)(renderer, 1))
    assert (made - frames(renderer)).abs().max() < EXPORT["untrained"][0]
    assert torch.equal(made, frames(renderer)) == (name == "torch")


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="engine: expected one of torch, onnx, got 'tensorrt'"):
        maker_of("tensorrt")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_where_a_package_is_missing_the_extra_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("graph", "graphs", "onnx_engine"):
        monkeypatch.delitem(sys.modules, f"flow3d.export.{module}", raising=False)
    maker_of("torch")
    with pytest.raises(ValueError, match=rf'^engine: .*, which pip install "flow3d\[export\]" brings, got .*{package}'):
        maker_of("onnx")


def test_the_engine_has_the_threads_that_it_is_given(untrained):
    renderer = untrained(preset("micro"))
    for threads in (1, 2):
        assert OnnxEngine(renderer, threads)._session.get_session_options().intra_op_num_threads == threads


def test_nothing_is_printed(untrained, capfd):
    renderer = untrained(preset("micro"))
    frames(renderer, OnnxEngine(renderer))
    assert capfd.readouterr() == ("", "")


def test_the_speeds_of_both_are_printed_side_by_side(micro, capsys):
    assert speed.main(["--weights", str(micro), "--repeats", "2"]) == 0
    head, _, one, eight, _, note = capsys.readouterr().out.splitlines()
    assert head.split(" | ")[1:3] == ["torch, ms", "onnx, ms"]
    for line, count in ((one, 1), (eight, 8)):
        together, plain, exported, ratio = (float(cell) for cell in line.strip("|").split("|"))
        assert together == count
        assert ratio == pytest.approx(plain / exported, abs=EXPORT["printed ratio"][0])
    assert note.startswith("Processor time of a frame, one thread each; onnx needs ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--repeats", "0"], "repeats: expected"),
        (["--weights", "none"], "name_or_folder: expected the name of shipped weights"),
    ],
)
def test_what_cannot_be_measured_is_one_line(micro, capsys, options, message):
    assert speed.main(["--weights", str(micro), *options]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
