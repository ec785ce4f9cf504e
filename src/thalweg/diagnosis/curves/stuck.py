"""Curves that stand still: never moved, came to rest, or constant to the last bit.

That nothing can be seen to move says little where the noise would hide a fall: `bound` tells how large a change could
have passed unseen, and `still` asks that it be small.

Thresholds
- STILL 0.005 of the scale (the start; the fall for losses below zero): a change below it between the first and the last
  third of a stretch counts as none even where a curve without noise shows it, and one that the noise could hide must be
  below 0.1 (HIDDEN) of the scale: else a run is too short or too noisy to be called still.
- AT_FLOOR 0.02 of the floor, or 4 standard errors of the mean: the loss of a constant prediction is known as well as
  the frequencies of the classes in the data seen.
- FROM_START 0.05 of the steps: a loss that comes down from a bad guess to the trivial one does so at once.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.shape import shape
from thalweg.diagnosis.curves.windows import Contrast, FloatArray, contrast, finite, without_repeat

STILL = 0.005
HIDDEN = 0.1
AT_FLOOR = 0.02
FROM_START = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stillness:
    """Hold from where on a curve stands still, at which level, and after what fall."""

    steps: int
    constant_from: int | None  # step from which every value is the same to the last bit
    constant: bool  # all values of the run are the same
    still_from: int | None  # step from which nothing but noise moves, None where the end still moves
    change: Contrast  # first third less last third of the still stretch (of the whole run where there is none)
    level: float  # the mean of the last window
    fell: bool  # the end is below the start by more than noise
    fall: float  # in units of the scale, before it came to rest
    scale: float
    floor: float | None
    at_floor: bool | None  # None where the floor is not known

    @property
    def still_share(self) -> float:
        return 0.0 if self.still_from is None else (self.steps - self.still_from) / self.steps

    @property
    def never_moved(self) -> bool:
        """Tell whether the curve stood still from its first steps on, at the level at which it began."""
        return self.still_from is not None and not self.fell and self.still_from <= max(1, FROM_START * self.steps)

    @property
    def settled_at_once(self) -> bool:
        """Tell whether the curve came to rest within its first steps after a fall that more than noise explains."""
        return self.still_from is not None and self.fell and self.still_from <= FROM_START * self.steps


def stillness(
    loss: ArrayLike, *, epoch_starts: Sequence[int] | None = None, floor: float | None = None
) -> Stillness | None:
    """Return from where on a curve stands still, None where it has fewer than five finite values.

    >>> found = stillness([0.7] * 50)
    >>> found.constant, found.never_moved
    (True, True)
    """
    steps, values = finite(loss)
    form = shape(loss, epoch_starts=epoch_starts, floor=floor)
    if form is None:
        return None
    n = len(values)
    scale = form.scale
    if not form.nonnegative and form.scale <= form.change.bound:  # no fall to compare with: the level itself
        scale = max(abs(form.start), form.scale)
    scale = max(scale, 1e-300)
    since, change = _rest(without_repeat(values, form.repeat), scale, form.repeat, form.wander)
    same = _constant_from(values)
    at_floor = None
    if floor is not None:
        at_floor = abs(form.end_mean - floor) <= max(AT_FLOOR * abs(floor), 4 * form.end_error)
    return Stillness(
        steps=n, constant_from=None if same is None else int(steps[same]), constant=same == 0,
        still_from=None if since is None else int(steps[since]), change=change, level=form.end_mean,
        fell=form.fell and form.fall > STILL * scale, fall=form.fall / scale, scale=scale,
        floor=floor, at_floor=at_floor,
    )  # fmt: skip


def _rest(values: FloatArray, scale: float, repeat: int, excess: float) -> tuple[int | None, Contrast]:
    """Return the earliest of 0, ..., n/16, n/8, n/4, n/2 from where the curve is still, and its change from there."""
    n = len(values)
    starts = [0, *sorted({n >> k for k in range(1, 12) if (n >> k) >= 2})]
    found = Contrast(difference=0.0, bound=float("inf"))
    for start in starts:
        if n - start < max(5, 3 * repeat if repeat < n // 6 else 0):
            break
        third = max(1, (n - start) // 3)
        third = max(1, third // repeat) * repeat if repeat < n // 6 else third
        found = contrast(values, slice(start, start + third), slice(n - third, n), looks=2, excess=excess)
        parts = [np.median(values[a : a + third]) for a in range(start, n - third + 1, third)]
        swing = max(float(np.ptp(parts)), abs(_early(values, start, third)))
        if swing <= max(STILL * scale, found.bound) and found.bound <= HIDDEN * scale:
            return start, found
    whole = max(1, n // 3)
    return None, contrast(values, slice(0, whole), slice(n - whole, n), excess=excess)


def _early(values: FloatArray, start: int, third: int) -> float:
    """Return how far the first tenth of a stretch lies from its first third: a fall may be over by then."""
    tenth = max(third // 3, 1)
    if third < 15:
        return 0.0
    return float(np.median(values[start : start + tenth]) - np.median(values[start : start + third]))


def _constant_from(values: FloatArray) -> int | None:
    moved = np.flatnonzero(values[:-1] != values[1:])
    since = int(moved[-1]) + 1 if len(moved) else 0
    return since if len(values) - since >= max(3, len(values) // 20) else None
