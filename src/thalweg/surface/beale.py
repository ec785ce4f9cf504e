"""Beale's function."""

import dataclasses
from typing import ClassVar, final

from torch import Tensor

from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Beale(Surface):
    """Spread flat in the middle between sharp corners.

    value = (1.5 - x + x y)² + (2.25 - x + x y²)² + (2.625 - x + x y³)²

    Gradients differ by orders of magnitude over a short way, so a rate that suits one place is lost at another. Source:
    Beale 1958.
    """

    name: ClassVar[str] = "beale"

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2

    def landmarks(self) -> Landmarks:
        view = (-4.5, 4.5)
        return Landmarks(x=view, y=view, start=(1.0, 1.5), minima=((3.0, 0.5),), saddles=((0.0, 1.0),))
