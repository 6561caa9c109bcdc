"""What rendering returns: image, matte, labels, depth and the surface point of each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .camera import Camera
from .rasteriser import Surface

# What a pixel shows. "eyes" are the eyeballs and the lids that cover them; "mouth" is the lips and what they open on.
PARTS = {"background": 0, "skin": 1, "eyes": 2, "mouth": 3, "hair": 4, "clothing": 5, "brows": 6, "neck": 7, "ear": 8}


@dataclass(frozen=True, eq=False)
class Mesh:
    """What all frames of one person share: triangles, their material's numbers, and the camera that sees them."""

    faces: Int[Tensor, "F 3"]
    material: Int[Tensor, " F"]
    camera: Camera


@dataclass(frozen=True, eq=False)
class Frame:
    """One rendered frame.

    Attributes:
        image: (3,H,W) in [-1, 1], on the background.
        foreground: (3,H,W), the person alone; -1 where nothing of them is seen.
        alpha: (1,H,W) in [0, 1], soft at edges.
        labels: (1,H,W) integers of :data:`PARTS`, at pixel centres.
        depth: (1,H,W) distance behind the head's centre plane in head half-heights, infinite on the background.
        surface: triangle and barycentric weights at every pixel centre.
        screen: (V,2) pixel positions of all vertices.
        vertex_depth: (V,) their distances from the camera in head half-heights.
        mesh: whose triangles ``surface`` counts; one person's frames have the same.
    """

    image: Float[Tensor, "3 H W"]
    foreground: Float[Tensor, "3 H W"]
    alpha: Float[Tensor, "1 H W"]
    labels: Int[Tensor, "1 H W"]
    depth: Float[Tensor, "1 H W"]
    surface: Surface
    screen: Float[Tensor, "V 2"]
    vertex_depth: Float[Tensor, " V"]
    mesh: Mesh

    @property
    def placed(self) -> Float[Tensor, "V 3"]:
        """All vertices: x and y in pixels, distance from the camera in head half-heights."""
        return torch.cat([self.screen, self.vertex_depth[:, None]], 1)

    @property
    def size(self) -> int:
        """Side of the image in pixels."""
        return self.image.shape[-1]
