"""478 points of a face, and how much it shows of 52 expressions.

Landmarks 0 to 467 are the mesh of the canonical face; 468 to 472 and 473 to 477 are the irises of the eyes on the
viewer's left and right, the centre first. The networks are MediaPipe's Face Mesh V2 and Blendshape V2.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..networks import network
from .crops import Planes, Turned
from .detector import AROUND

LANDMARKS = "face/face_landmarks_detector.tflite"
EXPRESSIONS = "face/face_blendshapes.tflite"
SIZE = 256  # pixels of what the network of landmarks sees
OUTER_EYE_CORNERS = (33, 263)  # the viewer's left and right
# What the expressions are told by.
SUBSET = np.array(
    [
        0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80,
        81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153,
        154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249,
        251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314,
        317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382,
        384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478),
    ]
)  # fmt: skip
SCORES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip


def landmarks_in(planes: Planes, square: Turned) -> Float[np.ndarray, "478 3"]:
    """The landmarks of the face in a square: pixels right and down, and away from the camera on the same scale.

    A network always answers: whether there was a face is for :func:`flow3d.perception.face.faces.judge` to say.
    """
    (points,) = network(LANDMARKS)((square.cut(planes, SIZE)[None] + 1) / 2)
    found = points.astype(np.float64)
    return np.column_stack([square.out(found[:, :2], SIZE), found[:, 2] * (square.side / SIZE)])


def square_around(landmarks: Float[np.ndarray, "478 3"]) -> Turned:
    """The square in which the landmarks of the next frame are sought, level with the eyes."""
    right, down = landmarks[OUTER_EYE_CORNERS[1], :2] - landmarks[OUTER_EYE_CORNERS[0], :2]
    level = Turned(np.zeros(2), 1.0, float(np.arctan2(down, right)))
    turned = landmarks[:, :2] @ level.axes
    low, high = turned.min(0), turned.max(0)
    return Turned(level.axes @ ((low + high) / 2), AROUND * float((high - low).max()), level.angle)


def expression_scores(landmarks: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, " 52"]:
    """How much of each expression of :data:`SCORES` the landmarks show, from 0 to 1."""
    (scores,) = network(EXPRESSIONS)(landmarks[SUBSET, :2][None].astype(np.float32))
    return scores
