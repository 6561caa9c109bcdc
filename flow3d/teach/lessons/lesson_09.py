"""Notebook 09's helpers: a clip as pairs with true answers, scores of pictures, and a studio for your own picture."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import ipywidgets as widgets
from IPython.display import display
from jaxtyping import Float
from torch import Tensor

from flow3d.datasets import Pair
from flow3d.datasets.clip_files import example_clip
from flow3d.datasets.pairs import pair_of, person_of
from flow3d.datasets.video_files import read_video
from flow3d.evaluation.measure.edits import EDITS, TrueEdits
from flow3d.evaluation.measure.pair_rows import FEWEST, regions
from flow3d.evaluation.pairs.pair_files import ListedPair
from flow3d.evaluation.scores.metrics import end_point_error, gradient, psnr, response
from flow3d.morphable import Coefficients, exact_flow, talking_head
from flow3d.morphable.coefficients import EXPRESSION
from flow3d.perception.regressor import shipped_regressor
from flow3d.preprocessing.images import from_uint8, middle_square, read_image, to_uint8
from flow3d.renderer import FlowRenderer
from flow3d.sizes import RADIUS
from flow3d.teach.figures import row
from flow3d.teach.film import film
from flow3d.teach.widget import MIME_WIDGET

Picture = Float[Tensor, "3 S S"]
Flow = Float[Tensor, "3 S S"]
SIZE = 64


def clip_pairs(
    seed: int, frames: int, *, driver: int | None = None, motion: Coefficients | None = None, step: int = 1
) -> dict[int, Pair]:
    """Drive the first frame of a person's own clip frame by frame; each frame comes with its true answer.

    Args:
        seed: the person.
        frames: of the driving clip.
        driver: the seed of another person who drives; None is the person's own clip.
        motion: the driver's motion; None is that of the driver's own clip.
        step: keep every ``step``-th frame.

    Returns:
        The pairs, by number of the frame.
    """
    person, own = person_of(seed), talking_head(max(frames, 2 * RADIUS), seed)
    moves = motion or talking_head(frames, seed if driver is None else driver)
    who = person if driver is None else person_of(driver)
    return {k: pair_of(person, (own, 0), who, (moves, k), SIZE) for k in range(0, frames, step)}


def evenly(rows: Iterable[ListedPair], count: int) -> dict[int, Pair]:
    """The first ``count`` pairs of every bin of yaw in a published list, by seed."""
    taken: dict[str, list[ListedPair]] = {}
    for one in rows:
        in_bin = taken.setdefault(one.bin, [])
        if len(in_bin) < count:
            in_bin.append(one)
    return {one.seed: one.render(SIZE) for listed in taken.values() for one in listed}


def frozen(seed: int, pair: Pair) -> tuple[Picture, Flow]:
    """The true answer of a self-ID pair if the face kept the source's expression, and the exact flow to it."""
    person = person_of(seed)
    start, goal = pair.source_window[:, RADIUS], pair.driving_window[:, RADIUS].clone()
    goal[EXPRESSION] = start[EXPRESSION]
    before, after = person.render(start, SIZE), person.render(goal, SIZE)
    return after.image, exact_flow(after, before)[0]


def opinion(pair: Pair, picture: Picture, flow: Float[Tensor, "C S S"] | None) -> tuple[float, ...]:
    """Scores of a picture: PSNR on both silhouettes, and on eyes and mouth; sharpness of the face as a share of the
    truth's; error of its flow in percent of the zero flow's. A score that pair or picture lacks is NaN."""
    areas, unknown = regions(pair), float("nan")
    enough = int(areas["features"].sum()) >= FEWEST
    sharp = gradient(picture, areas["face"]) / max(gradient(pair.target, areas["face"]), 1e-6)
    share = unknown
    if flow is not None:
        error, zero = end_point_error(flow, pair.flow, areas["seen"])
        share = 100 * error / max(zero, 1e-6)
    features = psnr(picture, pair.target, areas["features"]) if enough else unknown
    return psnr(picture, pair.target, areas["union"]), features, sharp, share


def gain_of(frames: Float[Tensor, "E 3 S S"], edits: TrueEdits, name: str = "jaw") -> float:
    """<d, t> / <t, t> of an edit's change d in ``frames`` against the true change t: 1 is right, 0 is no answer."""
    number = list(EDITS).index(name) + 1
    change, truth = frames[number] - frames[0], edits.images[number] - edits.images[0]
    _, own, both = response(change, truth, edits.region(number))
    return both / own


def table(rows: Mapping[str, Sequence[float]], heads: Sequence[str]) -> str:
    """Numbers in columns under ``heads``; NaN is a dash."""
    lines = [" " * 28 + "".join(f"{head:>14s}" for head in heads)]
    for name, values in rows.items():
        lines.append(f"{name:28s}" + "".join("             –" if v != v else f"{v:14.2f}" for v in values))
    return "\n".join(lines)


def picture_of(content: bytes) -> Picture:
    """The largest centred square of an image file's content, at the renderer's size.

    Raises:
        ValueError: not an image that can be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "upload"
        file.write_bytes(content)
        rgb = to_uint8(read_image(file))
    return from_uint8(middle_square(rgb, SIZE))


class Studio:
    """The user's own picture and driving clip: an upload, a path, and the film made from them.

    Args:
        renderer: of 64 px.
        content: an image file's content, used until another is uploaded.
        most: frames of a clip at most.

    Attributes:
        frames: those generated last, (3,S,S) each.
        message: what went wrong, or how many frames there are.
    """

    def __init__(self, renderer: FlowRenderer, content: bytes, most: int = 50) -> None:
        self.renderer, self.content, self.most = renderer, content, most
        self.upload = widgets.FileUpload(accept="image/*", multiple=False, description="your picture")
        self.path = widgets.Text(
            placeholder="a video, or a folder of images; empty: the shipped clip", description="clip",
            layout=widgets.Layout(width="620px"),
        )  # fmt: skip
        self.motion = widgets.Dropdown(options=["absolute", "relative"], description="motion")
        self.message = widgets.Label()
        self.frames: list[Tensor] = []
        self.image = widgets.Image(format="png", layout=widgets.Layout(width="620px"))
        first = self.make()
        self.path.continuous_update = False
        for control in (self.upload, self.path, self.motion):
            control.observe(self.again, names="value")
        box = widgets.VBox([self.upload, self.path, self.motion, self.message, self.image])
        view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
        display({MIME_WIDGET: view, "text/plain": "a studio", "image/png": first}, raw=True)

    def make(self) -> bytes:
        """Re-enact, show and return the film.

        Raises:
            OSError: no such clip.
            ValueError: a picture or clip that cannot be read.
        """
        uploaded = self.upload.value
        source = picture_of(bytes(uploaded[0]["content"]) if uploaded else self.content)
        path = self.path.value.strip()
        driving = read_video(path, SIZE, self.most) if path else example_clip().frames[: self.most]
        windows = shipped_regressor().windows(driving)
        self.frames = list(self.renderer.reenact(source, windows, motion=self.motion.value))
        rows = zip(driving, self.frames, strict=True)
        moving = film([row({"source": source, "driving": d, "generated": g}, height=200) for d, g in rows])
        content = cast(bytes, moving.data)
        self.image.value, self.message.value = content, f"{len(self.frames)} frames, generated"
        return content

    def again(self, _change: object = None) -> None:
        """Make the film again. Bad input is shown as a message, since an observer's exceptions are not shown."""
        try:
            self.make()
        except (OSError, ValueError) as error:
            self.message.value = str(error)
