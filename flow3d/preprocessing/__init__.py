"""Stage 1 of the paper (section 3.1): images in and out, landmarks, fitting the head to a photograph, regression."""

from .films import write_film, write_frames
from .fitting import HeadFit, fit_head
from .images import from_uint8, is_generated, read_image, to_uint8, write_image
from .landmarks import ASTRONAUT_EXPRESSION, LANDMARK_NAMES, FaceLandmarks, astronaut, crop_portrait
from .matting import grabcut, segment
from .portrait import Portrait

__all__ = [
    "ASTRONAUT_EXPRESSION", "LANDMARK_NAMES", "FaceLandmarks", "HeadFit", "Portrait",
    "astronaut", "crop_portrait",
    "fit_head", "from_uint8", "grabcut", "is_generated", "read_image", "segment", "to_uint8", "write_film",
    "write_frames", "write_image",
]  # fmt: skip
