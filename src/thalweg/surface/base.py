"""Surfaces: functions of two variables on which every rule can be watched.

A surface gives its value in torch operations, so gradients and Hessians follow by themselves, and says what is known of
it: where to look, where to start, and the points at which its gradient is zero.

To add one: a file with a final dataclass that has `value` and `landmarks`, one import line in `surface/__init__.py`,
one sentence in `core/words/{en,zh}/surfaces.toml`, one row in `docs/surface.md`. The contract test does the rest.
"""

import dataclasses
import math
from abc import abstractmethod
from typing import TypeAlias

import torch
from torch import Tensor

from thalweg.core import Component, law

Point: TypeAlias = tuple[float, float]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Landmarks:
    """Hold what is known of a surface: a view, a start, and critical points by what the Hessian says of them.

    `minima` may be points of a whole valley floor, whose Hessian has a zero eigenvalue; `degenerate` are points whose
    Hessian is zero, so that it tells nothing. The lists need not be complete.
    """

    x: tuple[float, float]
    """Left and right end of the view."""
    y: tuple[float, float]
    """Lower and upper end of the view."""
    start: Point
    minima: tuple[Point, ...] = ()
    saddles: tuple[Point, ...] = ()
    maxima: tuple[Point, ...] = ()
    degenerate: tuple[Point, ...] = ()


class Surface(Component):
    """Map two coordinates to a loss."""

    __slots__ = ()

    @abstractmethod
    def value(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the loss, in the shape that x and y have together; NaN or infinity where the function has none."""

    @abstractmethod
    def landmarks(self) -> Landmarks:
        """Return the view, the start and the critical points that are known."""

    def lowest(self) -> float | None:
        """Return the lowest value at the known minima, or None where none is known."""
        minima = self.landmarks().minima
        if not minima:
            return None
        points = torch.tensor(minima, dtype=torch.float64)
        return float(self.value(points[:, 0], points[:, 1]).min())


def as_point(given: object, call: str) -> Point:
    """Return two finite numbers as a point. Raises `UsageError` that names the call."""
    pair = tuple(given) if isinstance(given, tuple | list | Tensor) else ()
    if len(pair) != 2 or not all(isinstance(part, int | float | Tensor) and math.isfinite(part) for part in pair):
        raise law(call, "must be two finite numbers", given)
    return float(pair[0]), float(pair[1])
