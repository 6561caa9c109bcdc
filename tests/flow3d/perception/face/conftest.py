"""Pictures of faces: drawn heads whose truth is known, and the photographs that scikit-image ships."""

from collections.abc import Callable
from pathlib import Path

import pytest
import skimage
from torch import Tensor
from torch.nn import functional

from flow3d.morphable import Coefficients, Person
from flow3d.preprocessing import read_image

FIRST = 1_000_000
Draw = Callable[..., Tensor]


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Draw a head: ``draw(person, size, yaw=0.3)``; the picture (3,S,S) in [-1, 1]."""

    def drawn(person: int, size: int = 256, **named: float) -> Tensor:
        return Person.random(FIRST + person).render(Coefficients.neutral().replace(**named), size).image

    return drawn


@pytest.fixture(scope="session")
def photograph() -> Callable[[str], Tensor]:
    """Read a photograph of scikit-image's wheel by its file's name."""

    def read(name: str) -> Tensor:
        file = Path(skimage.__file__).parent / "data" / name
        if not file.is_file():
            pytest.skip(f"this scikit-image ships no {name}")
        return read_image(file)

    return read


@pytest.fixture(scope="session")
def astronaut(photograph) -> Tensor:
    return photograph("astronaut.png")


@pytest.fixture(scope="session")
def scaled() -> Callable[[Tensor, float], Tensor]:
    """Another size of a picture, averaged."""

    def scale(image: Tensor, factor: float) -> Tensor:
        return functional.interpolate(image[None], scale_factor=factor, mode="bilinear", antialias=True)[0].clamp(-1, 1)

    return scale
