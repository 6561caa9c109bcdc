"""Networks that others trained, run by OpenCV's dnn: what goes in, what comes out, and proof that OpenCV reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod

import cv2
import numpy as np
from jaxtyping import Float32

from ..model_files import known, read
from ..opencv import OLDEST, ONE_THREAD, opencv_errors
from .probe import drawn_person, wave

Array = Float32[np.ndarray, "..."]
PROBES = 8  # numbers of each output that are compared with what the network must answer
AGREEMENT = 0.01  # of the largest such number: versions of OpenCV and half precision differ by far less


@dataclass(frozen=True)
class Shape:
    """What a network takes and gives.

    Attributes:
        inputs: shape of its input: (1,3,S,S) for pictures, (1,N,2) for points.
        black: what black is in its pictures; white is 1.
        outputs: shapes of the outputs that are used; all hold different counts of numbers.
        answers: of every output, :data:`PROBES` numbers spread evenly over it, for :meth:`probe`.
    """

    inputs: tuple[int, ...]
    black: float
    outputs: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[float, ...], ...]

    def probe(self) -> Array:
        """What the network is tried with."""
        if len(self.inputs) == 4:
            return self.black + (1 - self.black) * drawn_person(self.inputs[-1])[None]
        return wave(self.inputs[1])[None]


def probed(output: Array) -> Array:
    """The numbers of an output that are compared."""
    flat = output.reshape(-1)
    return flat[np.linspace(0, flat.size - 1, PROBES).round().astype(int)]


class Network:
    """A network, read and tried: an output is known by its shape and its numbers, never by its name.

    OpenCV 5 lists one output of a network that has three, and gives the first one's numbers under the second one's
    name. So every name that may be an output is tried, until one yields as many numbers as the wanted output has.

    Args:
        content: the bytes of a TFLite file.
        name: what messages call it.
        shape: what it takes and gives.

    Raises:
        ValueError: OpenCV cannot read it, or it does not give what ``shape`` says.
    """

    def __init__(self, content: bytes, name: str, shape: Shape) -> None:
        self.shape = shape
        trouble = f"expected a TFLite network that OpenCV {cv2.__version__} can run; flow3d needs {OLDEST} or newer"
        with ONE_THREAD, opencv_errors(name, trouble):
            self._net = cv2.dnn.readNetFromTFLite(np.frombuffer(content, np.uint8))
            self._net.setInput(shape.probe())
            self._names = tuple(self._find(output, name) for output in shape.outputs)
            self._check(name)

    def __call__(self, values: Array, outputs: Sequence[int] | None = None) -> tuple[Array, ...]:
        """The outputs, each in its shape; one caller at a time, others wait.

        Args:
            values: the input.
            outputs: which of them, by their numbers; None means all. OpenCV 5 runs the network anew for each.
        """
        wanted = range(len(self._names)) if outputs is None else outputs
        with ONE_THREAD, opencv_errors("values", f"OpenCV {cv2.__version__} cannot run the network"):
            self._net.setInput(np.ascontiguousarray(values, np.float32))
            return tuple(
                np.array(self._net.forward(self._names[k]), np.float32).reshape(self.shape.outputs[k]) for k in wanted
            )

    def _candidates(self) -> Iterator[str]:
        """Names that may be outputs: those that OpenCV calls so, then all layers from the last to the first."""
        yield from self._net.getUnconnectedOutLayersNames()
        yield from reversed(self._net.getLayerNames())

    def _find(self, output: tuple[int, ...], name: str) -> str:
        for candidate in self._candidates():
            try:
                found = self._net.forward(candidate)
            except cv2.error:  # a layer inside another, which has no output of its own
                continue
            if np.size(found) == prod(output):
                return candidate
        raise ValueError(f"{name}: expected an output of shape {output}, found none")

    def _check(self, name: str) -> None:
        """Compare numbers with those that the network must give."""
        for found, answer in zip(self(self.shape.probe()), self.shape.answers, strict=True):
            wanted = np.array(answer, np.float32)
            error = float(np.abs(probed(found) - wanted).max())
            if not error <= AGREEMENT * float(np.abs(wanted).max()):  # a NaN fails too
                got = probed(found).round(3).tolist()
                raise ValueError(
                    f"{name}: expected {wanted.round(3).tolist()} for the probe, got {got}; this is another network, "
                    f"or OpenCV {cv2.__version__} computes it wrongly"
                )


# The answers are those of the publisher's own interpreter, LiteRT 2.3.0, on one thread.
SHAPES = {
    "face/face_detector.tflite": Shape(
        (1, 3, 128, 128),
        -1.0,
        ((896, 16), (896, 1)),
        (
            (0.22822, 1.40812, 1.23565, 0.36707, -5.19034, -7.6536, -29.52081, 13.93761),
            (-5.47497, -5.74853, -5.87044, -5.90609, -4.73, -16.72296, -20.21329, -88.49363),
        ),
    ),
    "face/face_landmarks_detector.tflite": Shape(
        (1, 3, 256, 256),
        0.0,
        ((478, 3),),
        ((131.26466, 83.04736, 180.39072, -0.74692, 149.68954, 113.84272, 161.1028, -0.24978),),
    ),
    "face/face_blendshapes.tflite": Shape(
        (1, 146, 2),
        0.0,
        ((52,),),
        ((0.00011, 0.00001, 0.01845, 0.26867, 0.45218, 0.12337, 0.00296, 0.0),),
    ),
    "matte/selfie_segmentation.tflite": Shape(
        (1, 3, 256, 256),
        0.0,
        ((256, 256),),
        ((0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0),),
    ),
}


def network(place: str) -> Network:
    """The network at ``place`` below ``models/``, read once in a process.

    Raises:
        FileNotFoundError: neither the package nor the user's folder has it.
        ValueError: the file is damaged, or OpenCV cannot run it.
    """
    with ONE_THREAD:
        return _network(place)


@cache
def _network(place: str) -> Network:
    file = known(place)
    return Network(read(file), file.name, SHAPES[place])
