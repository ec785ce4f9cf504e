"""What a surface is at given points: losses, gradients, Hessians, heights over a rectangle."""

import torch
from torch import Tensor

from thalweg.core import law
from thalweg.surface.base import Point, Surface


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
