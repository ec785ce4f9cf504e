"""How gradients change with depth: a line through log10 of their size, layer by layer, in forward order.

Only weights with two axes or more count: biases and the scales of norms have gradients of another kind. The line is
Theil and Sen's (the median of all slopes between two layers), which a head or an embedding that stands apart does not
turn; what it says must hold without the first and without the last layer, too.

Thresholds
- FEWEST 3 weights: with two there is a ratio, but no trend.
- FACTOR 1.4 for one layer, TOTAL 1000 over the net. Measured at the start: sigmoids 7 to 8 a layer (their derivative is
  at most 1/4), torch's default start 1.3 to 2.1 with ReLU and up to 1.6 with tanh, a net that trains well 10 to 100
  over all. A trend by itself stops no adaptive rule: only with a loss and first layers that stand still is it a cause.
- It is the product of two: a gradient of a weight is that of its output times its input. Where activations grow as much
  as gradients do (too large a start with ReLU), the profile over weights is level; activations tell.
- RANK 0.8: correlation of the size's rank with depth; residual blocks have weights of many kinds, up and down.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from thalweg.core import law
from thalweg.diagnosis.curves.updates import rank_correlation
from thalweg.diagnosis.curves.windows import FloatArray

FEWEST = 3
FACTOR = 1.4
TOTAL = 1000.0
RANK = 0.8
_TINY = 1e-45  # the smallest float32: a gradient of zero is at most that


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DepthProfile:
    """Hold the trend of gradients over depth. Slopes are log10 a layer, from input to output: positive vanishes."""

    names: tuple[str, ...]  # of the weights, from input to output
    logs: tuple[float, ...]  # log10 of the gradient's root mean square
    slope: float
    least_slope: float  # the one nearest to zero, with either end left out; 0 where the sign changes
    rank: float  # Spearman's correlation of the size with depth
    spread: float  # median distance from the line, log10
    total: float  # log10 of the last layer's size over the first's, by the line
    relative_slope: float | None  # the same for gradient over weight; None where weights were not given
    zero: tuple[str, ...]  # weights whose gradient is exactly zero

    @property
    def factor(self) -> float:
        """Return by what factor gradients shrink from one layer to the one before it (below 1: grow)."""
        return float(10.0**self.slope)

    @property
    def vanishing(self) -> bool:
        """Tell whether gradients shrink towards the input by a steady factor a layer, to less than a thousandth."""
        return self.rank >= RANK and self.least_slope >= math.log10(FACTOR) and self.total >= math.log10(TOTAL)

    @property
    def exploding(self) -> bool:
        """Tell whether gradients grow towards the input by a steady factor a layer, to more than a thousand times."""
        return self.rank <= -RANK and -self.least_slope >= math.log10(FACTOR) and -self.total >= math.log10(TOTAL)


def depth_profile(
    names: Sequence[str],
    gradients: ArrayLike,
    *,
    axes: Sequence[int],
    weights: ArrayLike | None = None,
) -> DepthProfile | None:
    """Return how gradients change with depth; None with fewer than three weights of two axes or more.

    `gradients` and `weights` are root mean squares, one for each name, in forward order; `axes` counts the axes of each
    parameter. A parameter without a gradient is NaN and left out.

    Raises UsageError unless there is one of each for every name.

    >>> found = depth_profile(["a", "b", "c", "d"], [1e-6, 1e-4, 1e-2, 1], axes=[2] * 4)
    >>> found.vanishing, round(found.factor)
    (True, 100)
    """
    g = np.asarray(gradients, dtype=np.float64).reshape(-1)
    w = None if weights is None else np.asarray(weights, dtype=np.float64).reshape(-1)
    if not len(names) == len(g) == len(axes) or (w is not None and len(w) != len(g)):
        raise law("depth_profile(names, gradients, axes=...)", "must have one of each for every parameter",
                  (len(names), len(g), len(axes)), "Leave a parameter out of all of them, or of none.")  # fmt: skip
    kept = np.isfinite(g) & (np.asarray(axes, dtype=np.int64) >= 2)
    if kept.sum() < FEWEST:
        return None
    log = np.log10(np.maximum(g[kept], _TINY))
    place = np.arange(len(log), dtype=np.float64)
    slope = _slope(place, log)
    ends = (slope, _slope(place[1:], log[1:]), _slope(place[:-1], log[:-1]))
    least = float(min(ends, key=abs)) if len({np.sign(s) for s in ends}) == 1 else 0.0
    chosen = [int(k) for k in np.flatnonzero(kept)]
    return DepthProfile(
        names=tuple(names[k] for k in chosen), logs=tuple(float(v) for v in log), slope=slope, least_slope=least,
        rank=rank_correlation(place, log),
        spread=float(np.median(np.abs(log - slope * place - np.median(log - slope * place)))),
        total=slope * (len(log) - 1), relative_slope=None if w is None else _relative(log, w[kept]),
        zero=tuple(names[k] for k in chosen if g[k] == 0),
    )  # fmt: skip


def _relative(log: FloatArray, weights: FloatArray) -> float | None:
    known = np.isfinite(weights) & (weights > 0)
    if known.sum() < FEWEST:
        return None
    return _slope(np.flatnonzero(known).astype(np.float64), log[known] - np.log10(weights[known]))


def _slope(x: FloatArray, y: FloatArray) -> float:
    """Return the median slope of all pairs (Theil 1950, Sen 1968)."""
    i, k = np.triu_indices(len(x), 1)
    return float(np.median((y[k] - y[i]) / (x[k] - x[i])))
