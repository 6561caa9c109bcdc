"""A person in front of a background, rendered for any coefficients."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from ..checks import Whole, check_integer, check_size
from ..threads import one_thread
from . import materials
from .appearance import Appearance, random_alpha, random_appearance
from .backgrounds import paint_background
from .camera import Camera
from .coefficients import CROP, Coefficients, one_frame
from .frame import PARTS, Frame, Mesh
from .head.hair import STYLES, style_hair
from .head.parts import MATERIAL
from .head.procedural import ProceduralHead
from .rasteriser import Surface, rasterise, vertex_normals
from .shading import develop, illuminate

_PART_OF = dict(
    skin="skin", eyeball="eyes", rim="eyes", bag="mouth", teeth="mouth", tongue="mouth", hair="hair", ear="ear",
    neck="neck", cloth="clothing",
)  # fmt: skip
_SOFT = ("skin", "ear", "neck")  # light bleeds through them
_UPRIGHT = torch.tensor([1.0, -1.0, -1.0])


def _kernel(supersample: int) -> Tensor:
    """Trapezoid rule over one pixel's samples, (1,1,s+1,s+1); one for a single sample."""
    if supersample == 1:
        return torch.ones(1, 1, 1, 1)
    line = torch.ones(supersample + 1) / supersample
    line[0] = line[-1] = 0.5 / supersample
    return torch.outer(line, line)[None, None]


class Person:
    """One identity: shape, look and background, ready to be rendered.

    Args:
        alpha: identity coefficients (80,); None is the mean head.
        look: skin, hair, clothes, light, background.
        head: the morphable model; detail 1 by default.
        camera: the camera; the tight talking-head crop by default.
        without: materials to leave out, such as "cloth".

    Raises:
        ValueError: ``alpha`` of another length or not finite, or an unknown material.
    """

    def __init__(
        self,
        alpha: Float[Tensor, " 80"] | None = None,
        look: Appearance | None = None,
        head: ProceduralHead | None = None,
        camera: Camera | None = None,
        *,
        without: tuple[str, ...] = (),
    ) -> None:
        self.head, self.look, self.camera = head or ProceduralHead(), look or Appearance(), camera or Camera()
        for name in without:
            if name not in MATERIAL:
                raise ValueError(f"without: expected materials among {', '.join(MATERIAL)}, got {name!r}")
        self.alpha = torch.zeros(len(self.head.identity_basis)) if alpha is None else alpha
        self.base = self.head.shape(self.alpha)
        shade, hair = self._dress()
        keep = self._seen(hair, without)
        self.faces, self.material = self.head.faces[keep], self.head.material[keep]
        self.mesh = Mesh(self.faces, self.material, self.camera)
        self.double_sided = (self.material == MATERIAL["hair"]) | (self.material == MATERIAL["cloth"])
        canonical = self.head.mean * _UPRIGHT
        self._table = torch.cat([canonical, self.head.local, shade[:, None]], 1)  # (V, 6)
        self._part = torch.tensor([PARTS[_PART_OF[name]] for name in MATERIAL])[self.material]
        self._soft = torch.tensor([float(name in _SOFT) for name in MATERIAL])
        self._backgrounds: dict[int, Tensor] = {}

    def _dress(self) -> tuple[Float[Tensor, " V"], Bool[Tensor, " V"]]:
        """Style the hair of ``base``; return the locks' light and dark, and which vertices are hair."""
        shade, hair = torch.full((len(self.base),), 0.5), torch.zeros(len(self.base), dtype=torch.bool)
        if self.look.hair is not None:
            span = self.head.slices["hair"]
            offset, covered, tint = style_hair(STYLES[self.look.hair], self.look.hair_volume, self.look.hair_seed)
            self.base[span] += torch.as_tensor(offset, dtype=torch.float32) * _UPRIGHT
            hair[span], shade[span] = torch.as_tensor(covered), torch.as_tensor(tint, dtype=torch.float32)
        return shade, hair

    def _seen(self, hair: Bool[Tensor, " V"], without: tuple[str, ...]) -> Bool[Tensor, " F"]:
        """Faces to render: hair where it grows, ears where no hair covers them, nothing of ``without``."""
        material = self.head.material
        keep = (material != MATERIAL["hair"]) | hair[self.head.faces].any(1)
        covered = self.look.hair is not None and STYLES[self.look.hair].ears_covered
        for name in (*without, *(("ear",) if covered else ())):
            keep &= material != MATERIAL[name]
        return keep

    @classmethod
    def random(cls, seed: Whole, head: ProceduralHead | None = None, camera: Camera | None = None) -> Person:
        """The person of a seed; the same seed is the same person.

        Raises:
            TypeError: ``seed`` is not an integer.
            ValueError: a negative seed.
        """
        rng = np.random.default_rng([check_integer(seed, "seed", 0), 1])
        return cls(random_alpha(rng), random_appearance(rng), head, camera)

    def background(self, size: int) -> Float[Tensor, "3 H W"]:
        """The complete background, (3, size, size) in [-1, 1]; kept for the next frame, so do not write into it."""
        if size not in self._backgrounds:
            self._backgrounds[size] = paint_background(self.look.background, self.look.background_seed, size)
        return self._backgrounds[size]

    def vertices(self, coefficients: Coefficients | Float[Tensor, " 73"]) -> Float[Tensor, "V 3"]:
        """Posed vertices (V, 3) of one frame; see :meth:`MorphableModel.posed`."""
        return self.head.posed(coefficients, self.base)

    @one_thread()
    def render(
        self, coefficients: Coefficients | Float[Tensor, " 73"], size: int = 64, *, supersample: int = 2
    ) -> Frame:
        """Render one frame.

        Args:
            coefficients: 73 numbers.
            size: side of the image in pixels, a power of two from 16 to 2048.
            supersample: samples per pixel and axis for colour and alpha; labels, depth and surface are never averaged.

        Raises:
            TypeError: ``coefficients`` are no floating-point numbers, or ``size`` is not an integer.
            ValueError: coefficients of another length, of several frames or not finite, another size or supersample.
        """
        size = check_size(size)
        if supersample not in (1, 2, 4):
            raise ValueError(f"supersample: expected 1, 2 or 4, got {supersample!r}")
        row = one_frame(coefficients)
        points = self.vertices(row)
        screen, depth = self.camera.project(points, row[CROP], size)
        # samples 1/s apart from one edge of the frame to the other: the middle one of a pixel is its exact centre
        fine = screen * supersample + (supersample // 2)
        count = size * supersample + (supersample > 1)
        samples = rasterise(fine, depth, self.faces, count, self.double_sided)
        centres = slice(supersample // 2, None, supersample)
        surface = Surface(*(v[centres, centres] for v in (samples.face, samples.weights, samples.depth)))
        colour, cover = self._paint(samples, vertex_normals(points, self.faces, self.head.seams))
        sums = functional.conv2d(torch.cat([colour, cover])[:, None], _kernel(supersample), stride=supersample)[:, 0]
        alpha = sums[3:].clamp(0, 1)
        foreground = torch.where(alpha > 0, sums[:3] / alpha.clamp_min(1e-6), 0.0) * 2 - 1
        image = alpha * foreground + (1 - alpha) * self.background(size)
        labels = self._labels(surface)
        distance = (surface.depth - self.camera.distance)[None]
        return Frame(image, foreground, alpha, labels, distance, surface, screen, depth, self.mesh)

    @one_thread()
    def shade(self, surface: Surface, coefficients: Coefficients | Float[Tensor, " 73"]) -> Float[Tensor, "3 H W"]:
        """Paint and light what ``surface`` sees at these coefficients: an image in [-1, 1], black beside the person."""
        normals = vertex_normals(self.vertices(coefficients), self.faces, self.head.seams)
        return self._paint(surface, normals)[0] * 2 - 1

    def _attributes(self, surface: Surface, table: Tensor) -> tuple[Tensor, Tensor]:
        """Faces of the pixels that see one (P,), and ``table`` (V, K) interpolated there (P, K)."""
        hit = surface.hit
        face = surface.face[hit]
        weights = surface.weights[hit]
        first, second, third = self.faces.index_select(0, face).unbind(1)
        mixed = table.index_select(0, first) * weights[:, :1]
        mixed.addcmul_(table.index_select(0, second), weights[:, 1:2])
        mixed.addcmul_(table.index_select(0, third), weights[:, 2:])
        return face, mixed

    def _paint(self, surface: Surface, normals: Tensor) -> tuple[Tensor, Tensor]:
        """Premultiplied display colour (3,H,W) in [0, 1] and cover (1,H,W)."""
        face, values = self._attributes(surface, torch.cat([self._table, normals * _UPRIGHT], 1))
        point, local, shade, normal = values.split([3, 2, 1, 3], 1)
        normal = functional.normalize(normal, dim=1)
        material = self.material[face]
        normal = torch.where((self.double_sided[face] & (normal[:, 2] < 0))[:, None], -normal, normal)
        albedo, gloss, sharp = torch.zeros(len(face), 3), torch.zeros(len(face)), torch.ones(len(face))
        for number, name in enumerate(MATERIAL):
            chosen = (material == number).nonzero()[:, 0]
            if len(chosen):
                paint = materials.MATERIALS[name](point[chosen], local[chosen], shade[chosen, 0], self.look)
                albedo[chosen], gloss[chosen], sharp[chosen] = paint
        radiance = illuminate(albedo.clamp(0, 1), normal, gloss, sharp, self._soft[material], self.look.light)
        height, width = surface.face.shape
        colour = torch.zeros(height, width, 3)
        colour[surface.hit] = develop(radiance)
        return colour.permute(2, 0, 1), surface.hit[None].float()

    def _labels(self, surface: Surface) -> Tensor:
        """(1,H,W) integers: by material, and for the skin by where the point lies on the face."""
        face, values = self._attributes(surface, self._table)
        x, y, z, latitude = values[:, 0], values[:, 1], values[:, 2], values[:, 3]
        part = self._part[face]
        skin = (self.material[face] == MATERIAL["skin"]) & (z > 0.2)
        part = torch.where(skin & (materials.brow_mask(x, y, self.look.brow) > 0.5), PARTS["brows"], part)
        part = torch.where(skin & (materials.lid_mask(x, latitude) > 0.5), PARTS["eyes"], part)
        part = torch.where(skin & (materials.lip_mask(x, latitude) > 0.5), PARTS["mouth"], part)
        labels = torch.zeros(surface.face.shape, dtype=torch.long)
        labels[surface.hit] = part
        return labels[None]
