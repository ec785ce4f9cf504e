"""Curves that bounce: from one side of a valley to the other at every step, or between levels with a longer period.

Thresholds
- ALTERNATING -0.5: correlation of neighbouring steps. It is 0 for the noise of batches, slightly negative where an
  epoch is drawn without replacement, and -1 for a bounce; for short runs it must lie beyond 4/sqrt(n), too (once in
  thirty thousand).
- TWO_LEVELS 0.9: share of the variance that lies between two levels, each held at least a quarter of the time. Noise
  that is normal reaches 2/pi = 0.64, uniform noise 0.75.
- LARGE 0.1 of the level: smaller bounces, such as those at the edge of stability on the way down, cost nothing.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.shape import end_window
from thalweg.diagnosis.curves.windows import (
    FloatArray,
    autocorrelation,
    contrast,
    epoch_length,
    finite,
    flattened,
    repeat_length,
    wander,
)

ALTERNATING = -0.5
TWO_LEVELS = 0.9
LARGE = 0.1
_FEWEST = 16
_HELD = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Bounce:
    """Hold how the last half of a curve bounces about its path."""

    lag_one: float  # correlation of neighbouring steps
    turns: float  # share of steps at which the curve turns: 2/3 for white noise, 1 for a bounce
    two_levels: float  # share of the variance between two levels
    levels: tuple[float, float]
    amplitude: float  # half the distance of the two levels, in units of the mean level (of the scale, below zero)
    period: int  # steps after which it repeats, 1 for none
    by_data: bool  # the period is that of an epoch: the order of batches repeats, not the weights
    falling: bool  # the path goes down meanwhile
    steps: int

    @property
    def alternates(self) -> bool:
        """Tell whether a step up follows a step down, more regularly than noise does."""
        return self.lag_one <= min(ALTERNATING, -4 / math.sqrt(self.steps)) and not self.by_data

    @property
    def between_two(self) -> bool:
        """Tell whether the curve jumps between two separate levels."""
        return self.two_levels >= TWO_LEVELS

    @property
    def bounces(self) -> bool:
        """Tell whether it bounces widely and gets no lower: the edge of stability goes down meanwhile."""
        return self.alternates and self.amplitude >= LARGE and not self.falling


def bouncing(loss: ArrayLike, *, epoch_starts: Sequence[int] | None = None) -> Bounce | None:
    """Return how a curve bounces in the last half of its steps, None below sixteen of them.

    >>> found = bouncing([2.0, 1.0] * 40)
    >>> found.bounces, found.period
    (True, 2)
    """
    _, values = finite(loss)
    tail = values[len(values) // 2 :][-(1 << 13) :]
    n = len(tail)
    if n < _FEWEST:
        return None
    rest = flattened(tail) if n >= 32 else tail - np.median(tail)
    epoch = epoch_length(epoch_starts)
    moves = np.diff(tail)
    share, low, high = _two(rest)
    level = float(np.median(tail))
    unit = abs(level) if values.min() >= 0 else float(np.ptp(values))
    third = n // 3
    found = contrast(tail, slice(0, third), slice(n - third, n), excess=wander(tail))
    period = repeat_length(tail)
    return Bounce(
        lag_one=float(autocorrelation(rest)[1]),
        turns=float(np.mean(moves[:-1] * moves[1:] < 0)),
        two_levels=share, levels=(level + low, level + high),
        amplitude=(high - low) / 2 / unit if unit > 0 else 0.0,
        period=period, by_data=epoch > 1 and period > 1 and period % epoch == 0,
        falling=found.difference > max(found.bound, 0.02 * unit) or _drops(tail, end_window(n), unit),
        steps=n,
    )  # fmt: skip


def _drops(tail: FloatArray, window: int, unit: float) -> bool:
    """Tell whether the lower side of a bounce goes down, whose own size hides it from a test of medians."""
    lows = np.quantile(tail[:window], 0.25), np.quantile(tail[-window:], 0.25)
    highs = np.quantile(tail[:window], 0.75), np.quantile(tail[-window:], 0.75)
    return bool(min(lows[0] - lows[1], highs[0] - highs[1]) > 0.05 * unit)


def _two(rest: FloatArray) -> tuple[float, float, float]:
    """Return the share of variance between the two groups that explain most of it, and their means (Otsu 1979)."""
    v = np.sort(rest)
    n, whole = len(v), float(np.var(v))
    cut = np.arange(max(1, int(_HELD * n)), max(2, int((1 - _HELD) * n)))
    total = np.cumsum(v)
    low = total[cut - 1] / cut
    high = (total[-1] - total[cut - 1]) / (n - cut)
    between = cut * (n - cut) / n**2 * (high - low) ** 2
    k = int(np.argmax(between))
    return (float(between[k]) / whole if whole > 0 else 0.0), float(low[k]), float(high[k])
