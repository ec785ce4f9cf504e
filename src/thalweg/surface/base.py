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


def slopes(surface: Surface, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the losses (N,) and the gradients (N, 2) at points (N, 2)."""
    given = points.detach().requires_grad_()
    losses = surface.value(given[:, 0], given[:, 1])
    if not losses.requires_grad:  # a formula without x and y
        return losses, torch.zeros_like(points)
    (grads,) = torch.autograd.grad(losses.sum(), given)
    return losses.detach(), grads


def hessian(surface: Surface, point: Point) -> Tensor:
    """Return the matrix of second derivatives (2, 2) at a point, in float64.

    >>> from thalweg.surface import TwoWeights
    >>> hessian(TwoWeights(), (0.0, 0.0)).tolist()
    [[0.0, -2.0], [-2.0, 0.0]]
    """
    given = torch.tensor(point, dtype=torch.float64)
    found: Tensor = torch.autograd.functional.hessian(lambda at: surface.value(at[0], at[1]), given)
    return found


def heights(
    surface: Surface, x: tuple[float, float], y: tuple[float, float], *, count: int = 161
) -> tuple[Tensor, Tensor, Tensor]:
    """Return x (count,), y (count,) and the values (count, count), a row for each y, over a rectangle."""
    if not 2 <= count <= 2000:
        raise law("heights(count=...)", "must lie in [2, 2000]", count)
    xs, ys = (torch.linspace(*ends, count, dtype=torch.float64) for ends in (x, y))
    with torch.no_grad():
        return xs, ys, surface.value(xs[None, :], ys[:, None]).expand(count, count)
