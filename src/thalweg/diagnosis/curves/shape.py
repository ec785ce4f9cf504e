"""The shape of a training curve: where it starts, where it ends, its noise, and how much of the way it went.

Thresholds
- The end is the median of the last tenth of the steps, and at least 3: long enough to forget single batches, short
  enough that a curve which is still falling is read where it ended.
- The start is read over 3, 9, 27, ... steps up to a quarter of the run, as a fall may be over after ten steps or may
  need a quarter of the run to rise above the noise; the scale at which the fall is clearest counts (Bonferroni). The
  level is that of the shortest scale whose change is SHARP 4 times its bound: longer ones average the fall itself.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.windows import (
    FEWEST,
    Contrast,
    FloatArray,
    contrast,
    epoch_length,
    finite,
    repeat_length,
    wander,
    without_repeat,
)
from thalweg.findings.noise import Noise

SHARP = 4.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Hold the levels of a curve. `floor` is the loss of the best constant prediction, where it is known."""

    steps: int
    start: float
    end: float
    best: float  # the lowest median of a window as long as the one at the end
    best_step: int
    change: Contrast  # from start to end, positive where the loss fell
    noise: float  # standard deviation of a single step about the path, at the end
    wander: float  # how many times more medians of windows jump than single steps explain
    repeat: int  # steps after which the curve repeats itself, 1 if it does not
    end_mean: float  # mean over the last window: what a floor is compared with
    end_error: float  # standard error of that mean
    floor: float | None
    nonnegative: bool  # no loss of the run was below zero

    @property
    def fell(self) -> bool:
        """Tell whether the end lies below the start by more than noise."""
        return self.change.difference > self.change.bound

    @property
    def rose(self) -> bool:
        """Tell whether the end lies above the start by more than noise."""
        return -self.change.difference > self.change.bound

    @property
    def fall(self) -> float:
        return self.start - self.end

    @property
    def kept(self) -> float:
        """Return how much of the deepest fall was kept to the end; 1 where the end is the best, NaN without a fall."""
        deepest = self.start - self.best
        return self.fall / deepest if deepest > 0 else float("nan")

    @property
    def share_to_zero(self) -> float | None:
        """Return how much of the way from the start to zero was gone; None for a loss that goes below zero."""
        return self.fall / self.start if self.nonnegative and self.start > 0 else None

    @property
    def share_to_floor(self) -> float | None:
        """Return how much of the way from the start to the floor was gone: more than 1 once below it."""
        return None if self.floor is None or self.start <= self.floor else self.fall / (self.start - self.floor)

    @property
    def scale(self) -> float:
        """Return what changes are compared with: the start, or the whole fall where a loss goes below zero."""
        return abs(self.start) if self.nonnegative else max(abs(self.start - self.best), abs(self.end - self.best))


def shape(loss: ArrayLike, *, epoch_starts: Sequence[int] | None = None, floor: float | None = None) -> Shape | None:
    """Return the shape of a curve, None where it has fewer than five finite values.

    >>> found = shape([2.3, 1.1, 0.6, 0.4, 0.3, 0.25, 0.22, 0.21, 0.2, 0.2])
    >>> found.fell, round(found.end, 2)
    (True, 0.2)
    """
    steps, values = finite(loss)
    n = len(values)
    if n < FEWEST:
        return None
    lowest_value = values.min()
    repeat = repeat_length(values, epoch_length(epoch_starts))
    tail = end_window(n, repeat)
    values = without_repeat(values, repeat)
    excess = wander(values)
    change, scale = _clearest(values, tail, repeat if repeat < n // 4 else 1, excess)
    lowest, at = _best(values, tail)
    end = values[-tail:]
    return Shape(
        steps=n, start=float(np.median(values[:scale])), end=float(np.median(end)),
        best=lowest, best_step=int(steps[at]), change=change,
        noise=Noise(values[-max(tail, 12):]).sigma, wander=excess, repeat=repeat,
        end_mean=float(end.mean()), end_error=excess * float(end.std(ddof=1)) / len(end) ** 0.5,
        floor=floor, nonnegative=bool(lowest_value >= 0),
    )  # fmt: skip


def end_window(n: int, repeat: int = 1) -> int:
    """Return over how many of the last of n steps the end of a curve is read: whole repeats, where it repeats."""
    tail = max(3, n // 10) if n > 6 else 2
    return -(-tail // repeat) * repeat if 1 < repeat <= n // 4 else tail


def _clearest(values: FloatArray, tail: int, repeat: int, excess: float) -> tuple[Contrast, int]:
    n = len(values)
    scales = [repeat * 3**k for k in range(16) if (repeat > 1 or k > 0) and repeat * 3**k <= n // 4] or [1]
    found = [(contrast(values, slice(0, k), slice(n - tail, n), looks=len(scales), excess=excess), k) for k in scales]
    clearest = max(found, key=lambda pair: abs(pair[0].difference) / max(pair[0].bound, 1e-300))
    sharp = (k for change, k in found if abs(change.difference) >= SHARP * change.bound)
    return clearest[0], next(sharp, clearest[1])


def _best(values: FloatArray, tail: int) -> tuple[float, int]:
    n = len(values)
    windows = np.median(values[n % tail :].reshape(-1, tail), axis=1)
    k = int(np.argmin(windows))
    return float(windows[k]), n % tail + (k + 1) * tail - 1
