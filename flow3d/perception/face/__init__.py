"""Faces in pictures and clips: where, 478 landmarks, 52 expression scores, how the head is turned."""

from .canonical import CanonicalFace, canonical_face
from .faces import Face, find_faces
from .landmarks import SCORES
from .tracker import Tracker, track

__all__ = ["SCORES", "CanonicalFace", "Face", "Tracker", "canonical_face", "find_faces", "track"]
