"""Saddles: the gradient is zero, and it still goes down on some sides. Both fall without end and have no minimum."""

import dataclasses
from typing import ClassVar, final

from torch import Tensor

from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Saddle(Surface):
    """Rise along x and fall along y, with a point of zero gradient in the middle.

    value = x² - y²

    From a point with y = 0 the gradient leads into the saddle and no further; the start lies a hair beside it.
    """

    name: ClassVar[str] = "saddle"

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        return x**2 - y**2

    def landmarks(self) -> Landmarks:
        return Landmarks(x=(-2.0, 2.0), y=(-2.0, 2.0), start=(-1.6, 1e-3), saddles=((0.0, 0.0),))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MonkeySaddle(Surface):
    """Fall on three sides from a point at which even the Hessian is zero.

    value = x³ - 3 x y²

    Second derivatives do not tell what kind of point it is, so Newton's step is not defined there.
    """

    name: ClassVar[str] = "monkey-saddle"

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        return x**3 - 3 * x * y**2

    def landmarks(self) -> Landmarks:
        return Landmarks(x=(-2.0, 2.0), y=(-2.0, 2.0), start=(1.5, 0.02), degenerate=((0.0, 0.0),))
