"""A face through a clip: the landmarks of a frame say where those of the next one are sought."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from jaxtyping import Float
from torch import Tensor

from ...checks import check_picture
from ...opencv import ONE_THREAD
from .crops import Planes, planes_of
from .faces import PARTS, Face, follow, measured, search

PATIENCE = 10  # frames without a face after which small faces are sought too; that takes a hundred times longer
QUICK = PARTS[:2]  # of the search: the whole picture and its halves


class Tracker:
    """Follows the largest face, frame by frame.

    The detector searches the first frame, and again only where the face is lost: where its landmarks jump and do not
    rest in their new place. Frames of another size begin anew.
    """

    def __init__(self) -> None:
        self._face: Face | None = None
        self._size: tuple[int, ...] = ()
        self._missed = 0

    def __call__(self, frame: Float[Tensor, "3 H W"]) -> Face | None:
        """The face in the next frame, or None.

        Args:
            frame: a picture in [-1, 1].

        Raises:
            TypeError, ValueError: as :func:`flow3d.perception.face.find_faces`; the message names ``frame``.
        """
        check_picture(frame, "frame")
        planes = planes_of(frame)
        if planes.shape != self._size:
            self._face, self._missed = None, 0
        self._size = planes.shape
        with ONE_THREAD:
            face = self._followed(planes)
            if face is None:
                face = self._sought(planes)
        self._face = face
        self._missed = self._missed + 1 if face is None else 0
        return face

    def _followed(self, planes: Planes) -> Face | None:
        if self._face is None:
            return None
        landmarks = follow(planes, self._face.landmarks.double().numpy())
        height, width = planes.shape[1:]
        if landmarks is None or not (0 <= landmarks[:, 0].mean() < width and 0 <= landmarks[:, 1].mean() < height):
            return None
        return measured(landmarks, self._face.certainty)

    def _sought(self, planes: Planes) -> Face | None:
        parts = PARTS if self._missed % PATIENCE == 0 else QUICK
        for new in search(planes, parts):
            if new:
                return max(new, key=lambda face: face.area)
        return None


def track(frames: Iterable[Float[Tensor, "3 H W"]]) -> Iterator[Face | None]:
    """The largest face of each frame of a clip, or None; one frame at a time, so that memory does not grow.

    Args:
        frames: pictures in [-1, 1], one after the other; a generator, a list, or a tensor (N,3,H,W).

    Raises:
        TypeError: ``frames`` cannot be iterated over.
        TypeError, ValueError: of a frame, as :class:`Tracker`.
    """
    if not isinstance(frames, Iterable):
        raise TypeError(f"frames: expected pictures one after the other, got {type(frames).__name__}")
    tracker = Tracker()
    for frame in frames:
        yield tracker(frame)
