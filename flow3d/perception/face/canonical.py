"""The canonical face: the shape of 468 landmarks on average, its triangles, and which points say how it is turned."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, Int64

from ...model_files import known, read

PLACE = "face/geometry_pipeline_metadata_landmarks.binarypb"
MESH_POINTS = 468
TRIANGLES = 898
# Of the protocol buffer: which field is what, by its number.
MESH, BASIS, VERTICES, INDICES, LANDMARK, WEIGHT = 1, 2, 3, 4, 1, 2


@dataclass(frozen=True, eq=False)
class CanonicalFace:
    """The canonical face, in centimetres: x right, y down, z away, as a picture shows a face that looks ahead.

    Attributes:
        vertices: (468,3), in the order of the landmarks; the irises, landmarks 468 to 477, have none.
        uv: (468,2) texture coordinates, from 0 to 1.
        triangles: (898,3) vertices of each triangle.
        weights: (468,) how much a landmark counts where a pose is fitted; zero for all but 33.
    """

    vertices: Float64[np.ndarray, "468 3"]
    uv: Float64[np.ndarray, "468 2"]
    triangles: Int64[np.ndarray, "898 3"]
    weights: Float64[np.ndarray, " 468"]


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """The canonical face of the shipped file, read once.

    Raises:
        FileNotFoundError: neither the package nor the user's folder has the file.
        ValueError: the file is damaged.
    """
    file = known(PLACE)
    return read_canonical(read(file), file.name)


def read_canonical(content: bytes, name: str) -> CanonicalFace:
    """The canonical face in a file of geometry metadata; ``name`` begins the message of an error.

    Raises:
        ValueError: it is none, or damaged.
    """
    try:
        numbers: list[float] = []
        indices: list[int] = []
        weights = np.zeros(MESH_POINTS)
        for field, value in _fields(content):
            if field == MESH and isinstance(value, bytes):
                for part, inner in _fields(value):
                    if part == VERTICES:
                        numbers += np.frombuffer(inner, "<f4").tolist() if isinstance(inner, bytes) else [inner]
                    elif part == INDICES:
                        indices += _varints(inner) if isinstance(inner, bytes) else [int(inner)]
            elif field == BASIS and isinstance(value, bytes):
                pair = dict(_fields(value))
                weights[int(pair.get(LANDMARK, 0))] = pair[WEIGHT]
        vertices = np.array(numbers, np.float64).reshape(MESH_POINTS, 5)  # position and texture coordinates
        triangles = np.array(indices, np.int64).reshape(TRIANGLES, 3)
    except (ValueError, LookupError, TypeError, struct.error) as error:
        raise ValueError(f"{name}: expected the geometry of a face, got a damaged file ({error})") from error
    if not np.isfinite(vertices).all() or triangles.min() < 0 or triangles.max() >= MESH_POINTS or weights.max() <= 0:
        raise ValueError(f"{name}: expected the geometry of a face, got numbers that make none")
    return CanonicalFace(vertices[:, :3] * (1, -1, -1), vertices[:, 3:], triangles, weights)


def _fields(content: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """The fields of a protocol buffer's message: number and value, by the wire types 0, 2 and 5."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        match key & 7:
            case 0:
                value, at = _varint(content, at)
                yield key >> 3, value
            case 2:
                length, at = _varint(content, at)
                if at + length > len(content):
                    raise ValueError("a field is longer than the message")
                yield key >> 3, content[at : at + length]
                at += length
            case 5:
                yield key >> 3, struct.unpack_from("<f", content, at)[0]
                at += 4
            case wire:
                raise ValueError(f"wire type {wire} at byte {at}")


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The number of variable length at a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError(f"a number of more than 64 bits at byte {at}")


def _varints(content: bytes) -> list[int]:
    """All numbers of a packed field."""
    at, found = 0, []
    while at < len(content):
        value, at = _varint(content, at)
        found.append(value)
    return found
