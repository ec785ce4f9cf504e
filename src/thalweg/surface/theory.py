"""What theory says of quadratics: how fast a rate and a momentum converge, and which of them converge fastest.

In the directions of the Hessian's eigenvectors the coordinates go their ways alone, so that two numbers a direction
tell all. Source: Polyak 1964; Goh 2017, "Why momentum really works".
"""

import dataclasses
import math

import torch

from thalweg.core import UsageError, law
from thalweg.surface.base import Surface
from thalweg.surface.measuring import hessian
from thalweg.surface.opening import open_surface

_PLACES = ((0.0, 0.0), (1.0, -0.7), (-1.3, 0.4), (2.1, 1.9))
_SAME = 1e-9  # of the largest entry: Hessians that differ by more are not those of a quadratic


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Hold a rate, a momentum (velocity="sum"), and the factor by which a step then shrinks the distance in the end."""

    lr: float
    momentum: float
    rate: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Optimum:
    """Hold the fastest settings on a quadratic: for plain gradient descent, and with momentum (the heavy ball)."""

    eigenvalues: tuple[float, float]
    """Of the Hessian, the smaller first: l1, ln."""
    condition: float
    gradient_descent: Setting
    heavy_ball: Setting


def optimum(surface: Surface | str) -> Optimum:
    """Return the settings of `SGD` that converge fastest on a quadratic with a minimum.

    gradient descent: lr = 2 / (l1 + ln);               rate = (condition - 1) / (condition + 1)
    heavy ball:       lr = 4 / (sqrt(l1) + sqrt(ln))²;  momentum = rate²;
                      rate = (sqrt(condition) - 1) / (sqrt(condition) + 1)

    Raises `UsageError` where the Hessian is not the same everywhere, or has an eigenvalue that is not positive.

    >>> optimum("ravine(condition=9)").heavy_ball
    Setting(lr=0.25, momentum=0.25, rate=0.5)
    """
    low, high = eigenvalues(surface)
    condition = high / low
    plain = Setting(lr=2 / (low + high), momentum=0.0, rate=(condition - 1) / (condition + 1))
    root = math.sqrt(condition)
    rate = (root - 1) / (root + 1)
    ball = Setting(lr=4 / (math.sqrt(low) + math.sqrt(high)) ** 2, momentum=rate**2, rate=rate)
    return Optimum(eigenvalues=(low, high), condition=condition, gradient_descent=plain, heavy_ball=ball)


def convergence_rate(surface: Surface | str, *, lr: float, momentum: float = 0.0) -> float:
    """Return the factor by which a step of `SGD(lr, momentum)` shrinks the distance in the end; 1 or more: it does not.

    The largest size of an eigenvalue of [[momentum, l], [-lr * momentum, 1 - lr * l]] over the Hessian's eigenvalues l,
    the matrix that takes (velocity, distance) through a step.
    """
    if not 0 < lr < math.inf:
        raise law("convergence_rate(lr=...)", "must lie in (0, inf)", lr)
    if not 0 <= momentum < 1:
        raise law("convergence_rate(momentum=...)", "must lie in [0, 1)", momentum)
    return max(_spectral_radius(lr, momentum, value) for value in eigenvalues(surface))


def _spectral_radius(lr: float, momentum: float, value: float) -> float:
    half = (1 + momentum - lr * value) / 2
    under_root = half**2 - momentum
    return math.sqrt(momentum) if under_root <= 0 else abs(half) + math.sqrt(under_root)


def eigenvalues(surface: Surface | str) -> tuple[float, float]:
    """Return the Hessian's eigenvalues of a quadratic with a minimum, the smaller first."""
    given = open_surface(surface)
    found = [hessian(given, place) for place in _PLACES]
    largest = float(torch.stack(found).abs().max())
    if not all(torch.allclose(one, found[0], rtol=0, atol=_SAME * largest) for one in found):
        raise UsageError(
            f"`optimum(...)` needs a quadratic, got {given.name!r}, whose curvature is not the same everywhere."
        )
    low, high = torch.linalg.eigvalsh(found[0]).tolist()
    if not low > _SAME * largest:
        raise UsageError(
            f"`optimum(...)` needs a quadratic with one minimum, got {given.name!r} with curvature {low:g}."
        )
    return low, high
