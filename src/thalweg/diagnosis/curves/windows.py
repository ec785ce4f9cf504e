"""Windows of a curve that was recorded at every step, and what noise alone can make of their difference.

A loss of mini-batches is noise about a path. Three things set it apart from the validation curves for which `Noise` was
made: its noise depends on the level (large at the start), neighbouring windows wander together (so that more steps do
not help as much as independent ones would), and with a fixed order of data it repeats itself every epoch. Hence noise
is estimated where a level is read, enlarged by what windows wander more than single steps explain, and windows cover
whole repeats.

Thresholds
- MOST 40 windows: enough to fit a shape to, and 25 steps each for a run of a thousand.
- REPEATS 0.3: correlation of a curve with itself a repeat later, beyond 4/sqrt(n) (once in thirty thousand for white
  noise), and 0.2 above some lag between: a slow wander is correlated with itself at every short lag, a repeat is not.
- REACH 1e100: squares of larger numbers overflow; nothing is lost, as no level of that size is compared in earnest.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from thalweg.findings.noise import Noise

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]

FEWEST = 5  # finite values below which a curve has no shape
MOST = 40
REPEATS = 0.3
REACH = 1e100
_MANY = 10**12  # values in a window whose level is known exactly
_NEAR = 12  # steps, at least, from which the noise at a place is estimated
_LAST_STEPS = 1 << 13  # steps in which a repeat is looked for


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Contrast:
    """Hold a difference of levels and the difference that noise alone exceeds once in a hundred."""

    difference: float
    bound: float

    @property
    def clear(self) -> bool:
        """Tell whether the difference is more than noise, in either direction."""
        return abs(self.difference) > self.bound


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """Hold the medians of neighbouring windows: their middle steps, values and standard errors."""

    steps: FloatArray
    values: FloatArray
    errors: FloatArray


def finite(curve: ArrayLike) -> tuple[IntArray, FloatArray]:
    """Return the steps at which a curve is a number, and its values there."""
    values = np.asarray(curve, dtype=np.float64).reshape(-1)
    steps = np.flatnonzero(np.isfinite(values)).astype(np.int64)
    return steps, np.clip(values[steps], -REACH, REACH)


def epoch_length(starts: Sequence[int] | None) -> int:
    """Return the usual number of steps between the starts of epochs; 0 where they are not known."""
    return int(np.median(np.diff(starts))) if starts is not None and len(starts) > 2 else 0


def repeat_length(values: FloatArray, expected: int = 0) -> int:
    """Return after how many steps a curve repeats itself, as with a fixed order of data; 1 where it does not.

    `expected` is a length to test alone, for instance that of an epoch.
    """
    tail = values[-_LAST_STEPS:]
    n = len(tail)
    if n < 16:
        return 1
    r = autocorrelation(flattened(tail))
    least = max(REPEATS, 4 / math.sqrt(n))
    for lag in (expected,) if expected else (int(np.argmax(r[2 : n // 3])) + 2,):
        between = r[1:lag]
        if 1 < lag < n // 3 and r[lag] > least and r[lag] - between.min() > 0.2 and r[lag] >= r[lag + 1]:
            return lag
    return 1


def without_repeat(values: FloatArray, length: int) -> FloatArray:
    """Return a curve less the pattern that it repeats: the medians of its phases about the path, which sum to nothing.

    Unchanged with fewer than five repeats, or where that leaves more noise than it takes away.
    """
    n = len(values)
    if length < 2 or n < 5 * length:
        return values
    rest = flattened(values)
    count = n // length
    pattern = np.median(rest[n - count * length :].reshape(count, length), axis=0)
    pattern = np.roll(np.resize(pattern - pattern.mean(), -(-n // length) * length), n - count * length)[:n]
    found = values - pattern
    return found if Noise(found).sigma < Noise(values).sigma else values


def flattened(values: FloatArray) -> FloatArray:
    """Return a curve without its path: less a line through the medians of its windows.

    Neighbours are averaged before: the median of a bounce between two levels would be the one or the other.
    """
    even = (values + np.concatenate((values[1:], values[-1:]))) / 2
    path = levels(even, most=max(3, min(12, len(values) // 8)))
    return values - np.interp(np.arange(len(values)), path.steps, path.values)


def autocorrelation(values: FloatArray) -> FloatArray:
    """Return the correlation of a curve with itself at every lag: 1 at lag 0, zeros for a constant.

    Outliers are drawn in to eight quartile distances: one spike is no pattern.
    """
    v = values - np.median(values)
    reach = 8 * float(np.median(np.abs(v)))
    v = np.clip(v, -reach, reach)
    v = v - v.mean()
    power = np.abs(np.fft.rfft(v, 2 * len(v))) ** 2
    r = np.fft.irfft(power)[: len(v)]
    return np.asarray(r / r[0] if r[0] > 0 else np.zeros(len(v)), dtype=np.float64)


def levels(values: FloatArray, *, length: int = 1, most: int = MOST) -> Levels:
    """Cut a curve into at most `most` windows, each a whole number of repeats of `length`, and take medians."""
    n = len(values)
    count = max(1, min(most, max(5, math.isqrt(n)), n))
    width = max(1, n // count)
    if length > 1 and n >= 5 * length:
        width = max(1, round(width / length)) * length
    count = n // width
    tail = values[n - count * width :].reshape(count, width)  # what does not fit is left out at the start
    steps = n - count * width + (np.arange(count) + 0.5) * width - 0.5
    sigma = np.median(np.abs(tail[:, 1:] - tail[:, :-1]), axis=1) / 0.954 if width > 2 else np.zeros(count)
    middle = np.median(tail, axis=1)
    errors = np.maximum(
        1.2533 * sigma / math.sqrt(width), Noise(middle[-max(5, count // 2) :]).sigma if count > 4 else 0
    )
    return Levels(steps=np.asarray(steps, dtype=np.float64), values=middle, errors=errors)


def wander(values: FloatArray) -> float:
    """Return how many times more the medians of windows jump than single steps would let them: 1 for white noise."""
    n = len(values)
    width = n // 40
    if width < 3:
        return 1.0
    blocks = np.median(values[n % width :].reshape(-1, width), axis=1)
    alone, jumps = Noise(values).sigma, Noise(blocks).sigma
    return max(1.0, jumps * math.sqrt(width) / (1.2533 * alone)) if alone > 0 else 1.0


def contrast(values: FloatArray, first: slice, last: slice, *, looks: int = 1, excess: float = 1.0) -> Contrast:
    """Compare the medians of two windows: the first less the last, and the bound of noise for it.

    Noise at the first window is estimated there and at the last, and the lesser bound holds, each set for half the
    chance: a steep fall in the first window looks like noise. `excess` enlarges it for wandering windows.
    """
    a, b = values[first], values[last]
    n = len(values)
    start, stop, _ = first.indices(n)
    spare = max(0, _NEAR - (stop - start))
    near = values[start : stop + spare]
    begin, end, _ = last.indices(n)
    late = Noise(values[max(0, begin - max(0, _NEAR - (end - begin))) : end])
    early = min((Noise(near), late), key=lambda noise: noise.bound(len(a), _MANY, looks=2 * looks))
    difference = float(np.median(a) - np.median(b))
    bound = excess * math.hypot(
        early.bound(len(a), _MANY, looks=4 * looks), late.bound(_MANY, len(b), looks=4 * looks)
    )  # half the chance for each sign
    return Contrast(difference=difference, bound=bound if math.isfinite(bound) else math.inf)
