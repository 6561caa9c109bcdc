"""FlowRenderer: the four stages joined, one source, many driving frames (paper, Fig. 2)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .config import RendererConfig, preset
from .morphable import Coefficients
from .morphable.transfer import correct_crop, relative_windows
from .perception.regressor import shipped_regressor
from .preprocessing.images import check_image
from .preprocessing.matting import grabcut, seeded_grabcut
from .sizes import WINDOW_SHAPE
from .stages import Prepared, Projected, Stages
from .synthesis import FILL, Inpainter, Refiner, cut_out, hole_of, project, widen
from .warping import Encoded, MappingNetwork, Warped, WarpingStage, flow_to_image, warp_pixels
from .weights import load_model, save_folder

Matting = Callable[[Float[Tensor, "3 S S"]], Float[Tensor, "1 S S"]]
Engine = Callable[[Prepared, Float[Tensor, "B 73 27"]], Float[Tensor, "B 3 S S"]]  # as FlowRenderer.frames

NETWORKS = ("mapping", "warping", "refiner", "inpainter")  # of a FlowRenderer, one file each
CARD = """# {name}, {recipe}

A FlowRenderer for {size} px. `{recipe}` {meaning}
Trained on procedural heads only: on photographs of people it is not expected to work.
Frames that it makes are generated, and must be labelled so.

{text}
"""
MEANING = {"strict": "is the paper's literal reading.", "extended": "holds extensions that the paper does not have."}


class FlowRenderer(nn.Module):
    """The renderer of the paper at any preset.

    Args:
        config: sizes and switches; see :func:`flow3d.config.preset`.
    """

    def __init__(self, config: RendererConfig | None = None) -> None:
        super().__init__()
        self.config = config or preset("tiny", "extended")
        self.mapping = MappingNetwork(self.config.motion, self.config.pose_flow)
        self.warping = WarpingStage(self.config)
        self.refiner, self.inpainter = Refiner(self.config), Inpainter(self.config)

    @classmethod
    def from_pretrained(cls, name_or_folder: str | os.PathLike[str]) -> FlowRenderer:
        """Load a renderer that :meth:`save_pretrained` wrote, or one that the package ships, by name.

        Raises:
            FileNotFoundError: no such folder or name, or a file of it is missing.
            ValueError: a file is damaged, or does not fit the configuration beside it.
        """
        return load_renderer(name_or_folder, cls)

    def save_pretrained(self, folder: str | os.PathLike[str], card: str = "") -> Path:
        """Write config.json, one safetensors file per network, and a card that says strict or extended."""
        return save_renderer(self, folder, card)

    def prepare(
        self,
        source: Float[Tensor, "3 S S"],
        alpha: Float[Tensor, "1 S S"] | Matting | None = None,
        source_window: Float[Tensor, "73 27"] | None = None,
    ) -> Prepared:
        """Do what is done once per source: matte, foreground, feature volume.

        If a model uses the source's motion and ``source_window`` is None, the shipped regressor computes the window. If
        ``alpha`` is None, GrabCut makes it, seeded by the mean head in the source's pose where that is known.

        Raises:
            ValueError: a picture or window of another shape.
        """
        size = self.config.size
        self._check_source(source)
        if not self.config.separate:
            alpha = torch.ones_like(source[:1])
        motion = None
        if source_window is None and self.config.source_coefficients:
            source_window = window_of(source)
        if source_window is not None:
            if tuple(source_window.shape) != WINDOW_SHAPE or not bool(torch.isfinite(source_window).all()):
                raise ValueError(f"source_window: expected 73 x 27 finite numbers, got {tuple(source_window.shape)}")
            motion = self.mapping(source_window[None])
        if alpha is None:
            alpha = grabcut(source) if source_window is None else seeded_grabcut(source, source_window)
        elif not isinstance(alpha, torch.Tensor):
            alpha = alpha(source)
        if tuple(alpha.shape) != (1, size, size):
            raise ValueError(f"alpha: expected shape (1, {size}, {size}), got {tuple(alpha.shape)}")
        image, matte = source[None], alpha[None]
        return self.ready(image, matte, motion, self.warping.encode(cut_out(image, matte)))

    def ready(
        self,
        image: Float[Tensor, "B 3 S S"],
        alpha: Float[Tensor, "B 1 S S"],
        motion: Float[Tensor, "B Z"] | None,
        encoded: Encoded,
        extra: int = 0,
    ) -> Prepared:
        """Join what is known of sources, and paint their plates; ``extra`` pixels are added to ``hole_margin``."""
        hidden = widen(alpha, self.config.hole_margin + extra)
        plate = self.inpainter.plate(image, hidden) if self.config.background_plate else None
        return Prepared(image, alpha, encoded, motion, hidden, plate)

    def stages(self, source: Prepared, driving_windows: Float[Tensor, "B 73 27"]) -> Stages:
        """Every intermediate of one source, for a batch of raw driving windows."""
        z = self.mapping(driving_windows)
        source = source.expand(len(z))
        warped = self.warping(source.encoded, z, source.motion)
        return self.finish(source, z, warped, self.refine(source, z, warped))

    def frames(self, source: Prepared, driving_windows: Float[Tensor, "B 73 27"]) -> Float[Tensor, "B 3 S S"]:
        """The frames of one source for a batch of raw driving windows, in [-1, 1]."""
        return self.stages(source, driving_windows).output

    def refine(self, source: Prepared, z: Float[Tensor, "B Z"], warped: Warped) -> Projected:
        """Stage 3: refine the warped person, and find the matte to project it with.

        A model without a matte of its own takes the source's, warped by the flow's mean over depth; the refined picture
        is then cut out by it.
        """
        refined = self.refiner(source.encoded.foreground, warped, z, source.alpha)
        if refined.alpha is not None:
            return Projected(refined.foreground, refined.alpha, refined)
        mean_flow = flow_to_image(warped.flow, None, self.config.size)
        alpha = warp_pixels(source.alpha, mean_flow).clamp(0, 1)
        return Projected(cut_out(refined.foreground, alpha), alpha, refined)

    def finish(self, source: Prepared, z: Float[Tensor, "B Z"], warped: Warped, person: Projected) -> Stages:
        """Stage 4: lay the person over the source's background, and fill the hole."""
        composite = project(person.foreground, person.alpha, source.image, source.hidden)
        hole, known = hole_of(source.hidden, person.alpha), (1 - source.hidden) * (1 - person.alpha)
        if source.plate is None:
            painted = behind = self.inpainter.paint(composite, hole, z, known)
        else:  # the person already holds FILL in its soft edges, and the plate alone shows through them
            painted, behind = person.foreground + (1 - person.alpha) * (source.plate - FILL), source.plate
        output = self.inpainter.paste(behind, composite, hole, known)
        return Stages(z, warped, person, composite, hole, painted, output, source.encoded.volume)

    def reenact(
        self,
        source: Float[Tensor, "3 S S"],
        driving_windows: Float[Tensor, "N 73 27"] | Coefficients,
        *,
        alpha: Float[Tensor, "1 S S"] | Matting | None = None,
        source_window: Float[Tensor, "73 27"] | None = None,
        motion: Literal["absolute", "relative"] = "absolute",
        crop_correction: bool = False,
        causal: bool = False,
        batch: int = 8,
        engine: Engine | None = None,
    ) -> Iterator[Float[Tensor, "3 S S"]]:
        """Yield one frame (3,S,S) in [-1, 1] per driving window; memory does not grow with the clip.

        Args:
            source: the person, in [-1, 1].
            driving_windows: raw windows, or coefficients of N frames.
            alpha: the source's matte, a function that makes one, or None for GrabCut; see :meth:`prepare`.
            source_window: the source's raw window, which extended models and the two options below use. If it is None,
                the shipped regressor computes it, which knows procedural heads only.
            motion: "absolute" takes the driver's coefficients, "relative" the source's plus the driver's change since
                its first frame.
            crop_correction: scale the driver's crop to the source's, at the frame where the two look most alike.
            causal: build windows from coefficients without looking ahead.
            batch: driving frames that are computed together.
            engine: who computes them, such as :class:`flow3d.export.onnx_engine.OnnxEngine` made of this renderer; None
                is :meth:`frames`.

        Raises:
            ValueError: a shape that does not fit, no driving frame, or NaN.
        """
        windows = (
            driving_windows.windows(causal=causal) if isinstance(driving_windows, Coefficients) else driving_windows
        )
        if windows.ndim != 3 or tuple(windows.shape[1:]) != WINDOW_SHAPE or len(windows) == 0:
            raise ValueError(f"driving_windows: expected shape (N, 73, 27) with N > 0, got {tuple(windows.shape)}")
        if not bool(torch.isfinite(windows).all()):
            raise ValueError("driving_windows: expected finite numbers, got NaN or infinity")
        if motion not in ("absolute", "relative"):
            raise ValueError(f"motion: expected 'absolute' or 'relative', got {motion!r}")
        if (crop_correction or motion == "relative") and source_window is None:
            self._check_source(source)
            source_window = window_of(source)
        if source_window is not None and crop_correction:
            windows = correct_crop(windows, source_window)
        if source_window is not None and motion == "relative":
            windows = relative_windows(windows, source_window)
        with torch.no_grad():  # for each block: a decorator of a generator may be lost under another one
            ready = self.prepare(source, alpha, source_window)
        for chunk in windows.split(batch):
            with torch.no_grad():
                frames = (engine or self.frames)(ready, chunk)
            yield from frames

    def _check_source(self, source: Tensor) -> None:
        size = self.config.size
        check_image(source, "source")
        if tuple(source.shape) != (3, size, size):
            raise ValueError(
                f"source: expected shape (3, {size}, {size}) for preset {self.config.name}, got {tuple(source.shape)}"
            )


def window_of(source: Float[Tensor, "3 S S"]) -> Float[Tensor, "73 27"]:
    """The window of a motionless clip of one picture, from the shipped regressor (stage 1, section 3.1)."""
    return shipped_regressor().windows(source[None])[0].to(source.device)


def networks_of(renderer: FlowRenderer) -> dict[str, nn.Module]:
    """The networks of a renderer by the names of their files."""
    return {name: getattr(renderer, name) for name in NETWORKS}


def save_renderer(renderer: FlowRenderer, folder: str | os.PathLike[str], card: str = "") -> Path:
    """Write a renderer; see :meth:`flow3d.FlowRenderer.save_pretrained`."""
    config = renderer.config
    text = CARD.format(
        name=config.name, recipe=config.recipe, size=config.size, meaning=MEANING[config.recipe], text=card
    )
    return save_folder(folder, networks_of(renderer), config.to_json(), text)


def load_renderer(name_or_folder: str | os.PathLike[str], kind: type[FlowRenderer]) -> FlowRenderer:
    """Read what :func:`save_renderer` wrote; see :meth:`flow3d.FlowRenderer.from_pretrained`."""
    return load_model(
        name_or_folder,
        lambda text: kind(RendererConfig.from_json(text)),
        networks_of,
        lambda renderer: f"{renderer.config.name} ({renderer.config.recipe})",
    )
