"""Parameters and multiply-adds of every preset: ``python -m flow3d.evaluation.scores.complexity``."""

import torch
from torch.utils.flop_counter import FlopCounterMode

from ...config import PRESETS, Recipe, RendererConfig, preset
from ...renderer import NETWORKS, FlowRenderer
from ...sizes import WINDOW_SHAPE


def parameters(config: RendererConfig) -> dict[str, int]:
    """Trainable numbers of each network, without allocating them."""
    with torch.device("meta"):
        renderer = FlowRenderer(config)
    return {name: sum(p.numel() for p in getattr(renderer, name).parameters()) for name in NETWORKS}


@torch.enable_grad()  # with gradients every layer is PyTorch's own, which the counter knows
def multiply_adds(config: RendererConfig) -> dict[str, float]:
    """Multiply-adds of convolutions and linear layers: once per source, and per frame with the source prepared.

    The two operations of ``flow3d_kernels`` move bytes rather than multiply, and are not counted.
    """
    renderer = FlowRenderer(config).eval()
    image, matte = torch.zeros(3, config.size, config.size), torch.ones(1, config.size, config.size)
    window = torch.zeros(WINDOW_SHAPE)
    counted = {}
    with FlopCounterMode(display=False) as counter:
        source = renderer.prepare(image, matte, window)
    counted["source"] = counter.get_total_flops() / 2
    with FlopCounterMode(display=False) as counter:
        renderer.stages(source, window[None])
    counted["frame"] = counter.get_total_flops() / 2
    return counted


def table(recipes: tuple[Recipe, ...] = ("strict", "extended")) -> str:
    """A markdown table of all presets: parameters in thousands, multiply-adds in millions."""
    head = f"| preset | recipe | {' | '.join(NETWORKS)} | all, thousands | source, M | frame, M |"
    lines = [head, "|" + "---|" * (len(NETWORKS) + 5)]
    for name in PRESETS:
        for recipe in recipes:
            config = preset(name, recipe)
            counts, work = parameters(config), multiply_adds(config)
            cells = [f"{count / 1000:.0f}" for count in (*counts.values(), sum(counts.values()))]
            cells += [f"{work[part] / 1e6:.1f}" for part in ("source", "frame")]
            lines.append(f"| {name} | {recipe} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
