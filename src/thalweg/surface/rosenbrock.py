"""Rosenbrock's banana."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rosenbrock(Surface):
    """Wind as a narrow, bent valley with an almost flat floor.

    value = (1 - x)² + b (y - x²)²

    To reach the valley is easy, to follow it is not. Source: Rosenbrock 1960.
    """

    name: ClassVar[str] = "rosenbrock"
    b: Annotated[float, Knob("steepness of the walls", "(0, inf)", low=1.0, high=1000.0, log=True)] = 100.0

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        return (1 - x) ** 2 + self.b * (y - x**2) ** 2

    def landmarks(self) -> Landmarks:
        return Landmarks(x=(-2.0, 2.0), y=(-1.0, 3.0), start=(-1.2, 1.0), minima=((1.0, 1.0),))
