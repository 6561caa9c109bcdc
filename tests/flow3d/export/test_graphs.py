"""Both graphs of a renderer equal PyTorch, whatever its switches are; what cannot be exported is named.

Tests: graph.
"""

import functools
from collections import Counter
from copy import deepcopy

import pytest
import torch

from flow3d import FlowRenderer, preset
from flow3d.datasets import make_pair
from flow3d.export import graphs
from flow3d.export.graph import Graph
from flow3d.export.graphs import frame_graph, source_graph, tensors_of
from flow3d.morphable import talking_head
from flow3d.stages import Prepared
from flow3d.synthesis import cut_out
from tolerances import EXPORT

SEED = 1_000_053
STRICT, EXTENDED = preset("micro"), preset("micro", "extended")
CONFIGS = {
    "strict": STRICT,
    "extended": EXTENDED,
    "pose_flow=False": EXTENDED.replace(pose_flow=False),
    "matte_residual=False": EXTENDED.replace(matte_residual=False),
    "norm_safe=False": EXTENDED.replace(norm_safe=False),
    "background_plate=False": EXTENDED.replace(background_plate=False),
    "residual_where_seen=False": EXTENDED.replace(residual_where_seen=False),
    "hole_margin=0": EXTENDED.replace(hole_margin=0),
    "flow_dimensions=2": EXTENDED.replace(flow_dimensions=2, pose_flow=False),
    "adain_style=depth": EXTENDED.replace(adain_style="depth"),
    "adain_in=both": EXTENDED.replace(adain_in="both"),
    "encoder_strides": EXTENDED.replace(encoder_strides=(1, 1, 2)),
    "separate=False": STRICT.replace(separate=False),
    "refine=False": STRICT.replace(refine=False),
    "hole_fill=False": EXTENDED.replace(hole_fill=False),
    "hole_mask=False": EXTENDED.replace(hole_fill=False, hole_mask=False),
    "paste_person=False": EXTENDED.replace(paste_person=False, background_plate=False),
    "paste_known_background=False": EXTENDED.replace(paste_known_background=False, background_plate=False),
    "residual_flow=False": EXTENDED.replace(residual_flow=False, residual_where_seen=False),
    "rgb_warp=False": EXTENDED.replace(rgb_warp=False, matte_residual=False, residual_where_seen=False),
    "refine_residual=False": EXTENDED.replace(refine_residual=False),
    "refiner_alpha=False": EXTENDED.replace(refiner_alpha=False, matte_residual=False),
    "source_coefficients=False": EXTENDED.replace(source_coefficients=False, pose_flow=False),
}


def given(renderer: FlowRenderer) -> dict[str, torch.Tensor]:
    """A source and a driving window that is far from it."""
    pair = make_pair(SEED, renderer.config.size)
    source = {"image": pair.source, "alpha": pair.source_alpha, "window": pair.source_window}
    tensors = {f"source_{name}": tensor[None] for name, tensor in source.items()}
    return tensors | {"window": talking_head(20, 7).windows()[15:16]}


def prepared(renderer: FlowRenderer, source_image, source_alpha, source_window, **_) -> Prepared:
    motion = renderer.mapping(source_window) if renderer.config.source_coefficients else None
    encoded = renderer.warping.encode(cut_out(source_image, source_alpha))
    return renderer.ready(source_image, source_alpha, motion, encoded)


def worst(made: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The largest difference over the largest value, or over 1."""
    assert set(made) == set(expected)
    assert all(made[name].shape == expected[name].shape for name in made)
    pairs = [(made[name], expected[name].detach()) for name in made]
    return max(float((a - b).abs().max() / b.abs().max().clamp_min(1)) for a, b in pairs)


@pytest.mark.parametrize("name", CONFIGS)
def test_both_graphs_equal_the_renderer(untrained, run, name):
    renderer = untrained(CONFIGS[name])
    tensors, outputs = given(renderer), ("output", "flow", "pixel_flow", "warped", "alpha", "composite", "hole")
    source = prepared(renderer, **tensors)
    stages = renderer.stages(source, tensors["window"])
    coded = run(source_graph(renderer), tensors)
    fresh = {name: tensor for name, tensor in tensors_of(source).items() if name not in tensors}
    assert worst(coded, fresh) < EXPORT["source"][0]
    made = run(frame_graph(renderer, outputs), {**tensors, **coded})
    assert worst(made, {name: getattr(stages, name) for name in outputs}) < EXPORT["untrained"][0]
    assert stages.flow.abs().max() > 0.5  # or the warp would not be tested


def test_the_shipped_renderer_keeps_five_digits_more_than_its_limit_of_a_thousandth(run):
    renderer = FlowRenderer.from_pretrained("tiny")
    tensors = given(renderer)
    exact = {name: tensor.double() for name, tensor in tensors.items()}
    with torch.no_grad():
        precise = deepcopy(renderer).double()
        truth = precise.stages(prepared(precise, **exact), exact["window"]).output
        quick = renderer.stages(prepared(renderer, **tensors), tensors["window"]).output
    made = run(frame_graph(renderer), {**tensors, **run(source_graph(renderer), tensors)})["output"]
    assert (made - truth).abs().max() < EXPORT["shipped, float64"][0]
    assert (made - quick).abs().max() < EXPORT["shipped"][0]


def test_every_translation_is_used_by_some_renderer(untrained, monkeypatch):
    used = Counter()

    def counted(function, translation):
        @functools.wraps(translation)
        def call(*arguments, **named):
            used[function] += 1
            return translation(*arguments, **named)

        return call

    watched = {function: counted(function, translation) for function, translation in graphs.TRANSLATIONS.items()}
    monkeypatch.setattr(graphs, "TRANSLATIONS", watched)
    for name in ("strict", "extended", "background_plate=False", "matte_residual=False", "flow_dimensions=2"):
        frame_graph(untrained(CONFIGS[name]))
    assert set(watched) - set(used) == set()


def test_a_graph_holds_what_its_outputs_need(untrained):
    renderer = untrained(EXTENDED)
    whole, flow = frame_graph(renderer), frame_graph(renderer, ("pixel_flow",))
    assert len(flow.graph.node) < 0.7 * len(whole.graph.node)  # no refiner
    for graph in (whole.graph, flow.graph):
        read = {name for node in graph.node for name in node.input}
        assert {constant.name for constant in graph.initializer} <= read
        assert all(node.domain == "" for node in graph.node)


def test_equal_constants_share_a_name_and_a_shape_is_made_once():
    graph = Graph()
    assert graph.constant(torch.ones(2)) == graph.constant(torch.ones(2))
    assert graph.constant(torch.ones(2)) != graph.constant(torch.ones(2, 1))
    assert graph.constant(torch.zeros(2)) != graph.constant(torch.ones(2))
    assert graph.reshaped("x", (2, 3)) == graph.reshaped("x", (2, 3))


def test_a_graph_keeps_the_weights_that_it_was_made_of(untrained, run):
    renderer = untrained(STRICT)
    tensors = given(renderer)
    graph, source = frame_graph(renderer), tensors_of(prepared(renderer, **tensors))
    before = run(graph, {**tensors, **source})["output"]
    with torch.no_grad():
        renderer.inpainter.network.head.bias.add_(1.0)
    assert torch.equal(run(graph, {**tensors, **source})["output"], before)
    assert (run(frame_graph(renderer), {**tensors, **source})["output"] - before).abs().max() > 0.1


def test_a_graph_names_no_file(untrained):
    """PyTorch's own exporter writes the paths of the machine into every node."""
    content = frame_graph(untrained(STRICT)).SerializeToString()
    assert b".py" not in content
    assert b"site-packages" not in content


@pytest.mark.parametrize("graph", [source_graph, frame_graph])
def test_half_precision_is_refused(untrained, graph):
    with pytest.raises(ValueError, match=r"renderer: expected float32 weights on the CPU, got torch.bfloat16 on cpu"):
        graph(untrained(STRICT).bfloat16())


def test_a_part_without_a_translation_is_named(untrained):
    renderer = untrained(STRICT)
    renderer.inpainter.network.head = torch.nn.Sequential(renderer.inpainter.network.head, torch.nn.GELU())
    with pytest.raises(ValueError, match=r"renderer: expected functions that can be exported, got torch.*\.gelu"):
        frame_graph(renderer)
