"""Quadratics: a bowl, and a ravine whose condition number is a knob. On them theory tells the best rate (`optimum`)."""

import dataclasses
import math
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Bowl(Surface):
    """Rise from one minimum, by a along x and by b along y.

    value = a x² + b y²

    Its Hessian has the eigenvalues 2 a and 2 b.

    >>> Bowl(a=1.0, b=3.0).lowest()
    0.0
    """

    name: ClassVar[str] = "bowl"
    a: Annotated[float, Knob("steepness along x", "(0, inf)", low=0.1, high=100.0, log=True)] = 1.0
    b: Annotated[float, Knob("steepness along y", "(0, inf)", low=0.1, high=100.0, log=True)] = 3.0

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        return self.a * x**2 + self.b * y**2

    def landmarks(self) -> Landmarks:
        return Landmarks(x=(-2.0, 2.0), y=(-2.0, 2.0), start=(-1.6, 1.2), minima=((0.0, 0.0),))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ravine(Surface):
    """Lie long and narrow: across the valley it is `condition` times as steep as along it.

    value = (u² + condition v²) / 2;  u = x cos(angle) + y sin(angle);  v = y cos(angle) - x sin(angle)

    A rate that the steep walls bear hardly moves along the valley. Rules that scale each coordinate by itself (RMSProp,
    Adam) undo the condition number at angle 0 and cannot at 45 degrees.

    >>> Ravine(condition=50.0).landmarks().start
    (-8.0, 1.5)
    """

    name: ClassVar[str] = "ravine"
    condition: Annotated[
        float, Knob("steepness across the valley over that along it", "[1, inf)", low=1.0, high=1000.0, log=True)
    ] = 50.0
    angle: Annotated[float, Knob("turn of the valley", "[-180, 180]", low=0.0, high=90.0, unit="degree")] = 0.0

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        cos, sin = self._turn()
        u, v = x * cos + y * sin, y * cos - x * sin
        return (u**2 + self.condition * v**2) / 2

    def landmarks(self) -> Landmarks:
        cos, sin = self._turn()
        wide, high = (abs(10 * c) + abs(2.5 * s) for c, s in ((cos, sin), (sin, cos)))
        u, v = -8.0, 1.5
        start = (u * cos - v * sin, u * sin + v * cos)
        return Landmarks(x=(-wide, wide), y=(-high, high), start=start, minima=((0.0, 0.0),))

    def _turn(self) -> tuple[float, float]:
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
