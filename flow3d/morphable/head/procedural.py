"""ProceduralHead: the default morphable model, assembled from skin, parts and hair."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ...sizes import EXPRESSION_COUNT, IDENTITY_COUNT
from ..model import MorphableModel
from . import expressions, hair, identity
from .fields import EYE_HALF_WIDTH, EYE_X, EYE_Y, EYE_Z, MOUTH_HALF_WIDTH, MOUTH_Y, Array, Index, smoothstep
from .linings import Lining, linings, teeth, tongue
from .parts import MATERIAL, Part, ear, eyeball, grid_faces, neck, torso
from .skin import Grid, front, make_grid, surface

_TURN = np.array([1.0, -1.0, -1.0])  # x right, y up, z near -> x right, y down, z away


class _Builder:
    """Collects vertices with their fields, then hands out the arrays of a MorphableModel."""

    def __init__(self) -> None:
        self.points: list[Array] = []
        self.identity: list[Array] = []
        self.expression: list[Array] = []
        self.local: list[Array] = []
        self.faces: list[Index] = []
        self.material: list[Index] = []
        self.follow: list[Array] = []
        self.slices: dict[str, slice] = {}
        self.count = 0

    def add(self, name: str, part: Part, id_field: Array, exp_field: Array, follow: Array | float = 1.0) -> None:
        """Append a part; ``follow`` is the share of the head's rotation that each vertex takes."""
        n = len(part.points)
        self.slices[name] = slice(self.count, self.count + n)
        self.points.append(part.points)
        self.identity.append(id_field)
        self.expression.append(exp_field)
        self.local.append(part.local)
        self.faces.append(part.faces + self.count)
        self.material.append(np.full(len(part.faces), MATERIAL[part.material]))
        self.follow.append(np.broadcast_to(np.asarray(follow, dtype=float), (n,)))
        self.count += n


def _still(count: int) -> Array:
    return np.zeros((EXPRESSION_COUNT, count, 3))


def _rigid(part: Part, anchor: Array) -> Array:
    """Identity field of a part that moves as one with ``anchor`` (3,)."""
    return np.repeat(identity.identity_fields(anchor[None]), len(part.points), axis=1)


def _skin(builder: _Builder, grid: Grid) -> tuple[Array, Array, Array]:
    opened, opening = surface(grid)
    flat = opened.reshape(-1, 3)
    above = np.repeat(grid.above[:, None], grid.shape[1], 1).ravel()
    latitude = np.repeat(grid.y[:, None], grid.shape[1], 1).ravel()
    mask = np.repeat(front(grid.u)[None], grid.shape[0], 0).ravel()
    above_eye = (latitude > EYE_Y + 1e-9) | (above > 0) & (np.abs(latitude - EYE_Y) < 1e-9)
    above_mouth = (latitude > MOUTH_Y + 1e-9) | (above > 0) & (np.abs(latitude - MOUTH_Y) < 1e-9)
    faces = grid_faces(*grid.shape, closed=True)
    # no face joins a slit row to its copy; a face belongs to the cell above its smallest row
    keep = ~np.isin(faces.min(1) // grid.shape[1], [grid.row(MOUTH_Y, -1), grid.row(EYE_Y, -1)])
    longitude = np.repeat(grid.u[None], grid.shape[0], 0).ravel()
    part = Part("skin", flat, faces[keep], np.stack([latitude, longitude], -1))
    exp_field = expressions.skin_expressions(flat, above_eye, above_mouth, mask, opening.reshape(-1, 3))
    # taken where the lids are shut, so that a blink shuts the eyes of every identity: their copies move as one
    id_field = identity.identity_fields(flat - opening.reshape(-1, 3))
    builder.add("skin", part, id_field, exp_field)
    return opened, id_field, exp_field


def _hang(builder: _Builder, number: int, lining: Lining, skin: Array, id_field: Array, exp_field: Array) -> None:
    """Add a lining: every field of it is the same blend of the slit's edges as its points are."""
    share = lining.share[:, None]

    def mix(field: Array) -> Array:
        return field[..., lining.upper, :] * share + field[..., lining.lower, :] * (1 - share)

    part = Part(lining.material, mix(skin.reshape(-1, 3)) + lining.offset, lining.faces, lining.local)
    builder.add(f"{lining.material}{number}", part, mix(id_field), mix(exp_field))


def _eye(builder: _Builder, side: int) -> None:
    part, centre = eyeball(side), np.array([side * EYE_X, EYE_Y, EYE_Z])
    field = _rigid(part, centre + np.array([0, 0, 0.2]))
    field[identity.IDENTITY_NAMES.index("eye_size")] = 0.055 * (part.points - centre)
    motion = _still(len(part.points))
    names = expressions.EXPRESSIONS
    motion[names.index("gaze_x")], motion[names.index("gaze_y")] = expressions.gaze_motion(part.points, centre)
    builder.add("eye_left" if side > 0 else "eye_right", part, field, motion)


def _mouth_part(builder: _Builder, name: str, part: Part, *, jaw: bool) -> None:
    motion = _still(len(part.points))
    if jaw:
        names = expressions.EXPRESSIONS
        motion[names.index("jaw_open")] = expressions.jaw_motion(part.points) * 0.92
        motion[names.index("jaw_side"), :, 0] = 0.08
    field = _rigid(part, np.array([0.0, MOUTH_Y, 0.72]))
    field[identity.IDENTITY_NAMES.index("mouth_width"), :, 0] = 0.10 * part.points[:, 0]
    builder.add(name, part, field, motion)


def _seams(grid: Grid, skin: Array) -> Index:
    """Pairs (P, 2) of skin vertices that are the two copies of one point outside the openings: one normal for both."""
    pairs = []
    for latitude in (MOUTH_Y, EYE_Y):
        top, bottom = grid.row(latitude, 1), grid.row(latitude, -1)
        x = np.abs(skin[top, :, 0])
        shut = x > MOUTH_HALF_WIDTH if latitude == MOUTH_Y else np.abs(x - EYE_X) > EYE_HALF_WIDTH
        columns = np.flatnonzero(shut | (np.cos(grid.u) < 0))
        pairs.append(np.stack([top * grid.shape[1] + columns, bottom * grid.shape[1] + columns], -1))
    return np.concatenate(pairs)


@lru_cache(maxsize=4)
def _assemble(detail: float) -> tuple[dict[str, Tensor], dict[str, slice]]:
    """The tensors of a MorphableModel, shared by all heads of this detail, and the parts' slices of its vertices."""
    grid, builder = make_grid(detail), _Builder()
    skin, id_field, exp_field = _skin(builder, grid)
    for number, lining in enumerate(linings(grid, skin)):
        _hang(builder, number, lining, skin, id_field, exp_field)
    for side in (-1, 1):
        _eye(builder, side)
    _mouth_part(builder, "teeth_upper", teeth(grid, skin, upper=True), jaw=False)
    _mouth_part(builder, "teeth_lower", teeth(grid, skin, upper=False), jaw=True)
    _mouth_part(builder, "tongue", tongue(), jaw=True)
    for side in (-1, 1):
        part = ear(side)
        builder.add(f"ear{side:+d}", part, _rigid(part, np.array([side * 0.70, 0.0, -0.03])), _still(len(part.points)))
    points, faces, local = hair.hair_base()
    part = Part("hair", points, faces, local)
    builder.add("hair", part, identity.identity_fields(points), _still(len(points)))
    for name, part, share in (("neck", neck(), 1.0), ("torso", torso(), 0.0)):
        follow = share * smoothstep(-1.42, -0.80, part.points[:, 1])
        builder.add(name, part, np.zeros((IDENTITY_COUNT, len(part.points), 3)), _still(len(part.points)), follow)
    cat = np.concatenate
    arrays = {
        "mean": cat(builder.points) * _TURN,
        "identity_basis": cat(builder.identity, 1) * _TURN,
        "expression_basis": cat(builder.expression, 1) * _TURN,
        "faces": cat(builder.faces)[:, ::-1].copy(),
        "material": cat(builder.material),
        "follow": cat(builder.follow),
        "local": cat(builder.local),
        "seams": _seams(grid, skin),
    }
    kinds = {"f": torch.float32, "i": torch.int64}
    return {name: torch.tensor(a, dtype=kinds[a.dtype.kind]) for name, a in arrays.items()}, builder.slices


class ProceduralHead(MorphableModel):
    """A head made of formulas: no scan, no licence, exact everywhere.

    Args:
        detail: mesh density from 0.3 to 4; 1.0 is about 10,000 vertices, enough for 256 px.

    Raises:
        ValueError: another ``detail``.
    """

    def __init__(self, detail: float = 1.0) -> None:
        if not 0.3 <= detail <= 4.0:
            raise ValueError(f"detail: expected a number from 0.3 to 4, got {detail!r}")
        tensors, slices = _assemble(float(detail))
        super().__init__(
            **tensors, slices=slices, identity_names=identity.IDENTITY_NAMES, expression_names=expressions.EXPRESSIONS
        )
