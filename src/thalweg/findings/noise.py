"""What a curve shows beyond its own noise: how much it jumps about a smooth path, and how far that alone can carry
it.
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from thalweg.signals import Trace

CHANCE = 0.01  # share of curves without any trend in which a check may see one
_MEDIAN = 1.57  # variance of a median over that of a mean of as many (pi / 2)


class Noise:
    """Estimate the noise of a curve from its second differences, which a steady rise or fall leaves at zero.

    sigma² = mean((v[t-1] - 2 v[t] + v[t+1])²) / 6, with 18/35 of a degree of freedom for each difference.

    Source: Gasser, Sroka and Jennen-Steinmetz 1986; degrees of freedom as in Hall, Kay and Titterington 1990.
    """

    def __init__(self, curve: NDArray[np.float64]) -> None:
        bends = np.diff(curve, 2)
        self.sigma = math.sqrt(float(np.mean(bends**2)) / 6) if len(bends) else math.inf
        self._freedom = 18 / 35 * len(bends)

    def bound(self, first: int, last: int, *, looks: int = 1) -> float:
        """Return the difference between medians of `first` and of `last` values that noise alone exceeds once in a
        hundred.

        `looks` is among how many places the first was chosen because it was the lowest (Bonferroni).
        """
        if not math.isfinite(self.sigma):
            return math.inf
        spread = self.sigma * math.sqrt(sum(_MEDIAN / n if n > 2 else 1 / n for n in (first, last)))
        return spread * _student(NormalDist().inv_cdf(1 - CHANCE / looks), self._freedom)


def steadiest(curve: NDArray[np.float64], turn: int, *, looks: int = 1) -> tuple[Noise, float]:
    """Return the noise about a turn of a curve, and how far it carries the median of the last three from there.

    It is estimated twice, from half way to the turn on and from the turn on (no bend of the way down in it, but fewer
    points); the lesser bound holds, each set for half the chance.
    """
    found = [Noise(curve[start:]) for start in (turn // 2, turn)]
    return min(((noise, noise.bound(1, 3, looks=2 * looks)) for noise in found), key=lambda pair: pair[1])


def times(difference: float, noise: Noise) -> str:
    """Write a difference in units of the noise."""
    return f"{difference / noise.sigma:.2g}" if noise.sigma * 1000 > difference else "> 1000"


def unit(level: float, lowest: float, fall: float) -> float:
    """Return what a change is compared with: the loss itself, or its whole fall where it has been below zero."""
    return level if lowest >= 0 else fall


def whole_fall(trace: Trace, first: float, level: float) -> float:
    """Return how far a loss came down from its start, before training where that was recorded, to a level."""
    start = trace.steps()["loss"][:5]
    start = start[np.isfinite(start)]
    return max(first, float(np.median(start)) if len(start) else first) - level


def _student(z: float, freedom: float) -> float:
    """Return the quantile of Student's t at which the normal distribution's is z (Wallace 1959)."""
    exponent = (z * (8 * freedom + 3) / (8 * freedom + 1)) ** 2 / freedom
    return math.sqrt(freedom * math.expm1(exponent)) if exponent < 500 else math.inf
