"""How fast a loss falls, and what holds it back: tiny steps, or too few of them.

A rate that is too low leaves a curve that falls steadily, almost in a straight line, and is far from its end after many
steps. A run that was stopped too early looks the same per run, but each of its steps moves the weights as it should.
What tells them apart is the size of a step: update over weight, about 1e-3 in runs that go well.

Thresholds
- STRAIGHT 0.3: share of the fall that came in the second half of the steps. A straight line has 0.5, an exponential
  after two time constants 0.27, after three 0.18.
- FAR 0.7 of the start's loss is left: less, and the steps have done their work, however small they look.
- TINY 1e-4 for update over weight, MOVED 0.05 for the sum of updates over the run: weights that moved by less than a
  twentieth of their size are still those of the initialisation (unless these were good: a network that is fine-tuned).
- MANY 300 steps, where the sizes of updates are not known: fewer may simply be few.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.shape import end_window, shape
from thalweg.diagnosis.curves.windows import FloatArray, contrast, finite, wander, without_repeat

STRAIGHT = 0.3
FAR = 0.7
TINY = 1e-4
MOVED = 0.05
MANY = 300


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Hold the pace of a fall. `ratio` is the median of update over weight, None where it was not measured."""

    steps: int
    fell: bool
    fall_share: float  # of the start's loss, over the whole run
    late_share: float  # of the fall, that came in the second half of the steps; NaN without a fall
    per_step: float  # of the start's loss, at the end of the run
    steps_to_zero: float  # at the pace of the second half; inf without one, NaN for losses below zero
    falling: bool  # the second half falls by more than noise
    below_floor: bool | None  # the end is below the trivial loss; None where that is not known
    ratio: float | None
    moved: float | None  # sum of updates over weights: at most so far did the weights go, in units of their size

    @property
    def straight(self) -> bool:
        """Tell whether the fall has not slowed down."""
        return self.fell and self.falling and self.late_share >= STRAIGHT

    @property
    def far(self) -> bool:
        """Tell whether most of the way is still to go: nearly all of the start's loss is left."""
        return self.fall_share <= 1 - FAR and not self.below_floor

    @property
    def tiny_steps(self) -> bool | None:
        """Tell whether the steps are far smaller than usual; None where their size is not known."""
        if self.ratio is None or self.moved is None:
            return None
        return self.ratio <= TINY and self.moved <= MOVED * max(1.0, self.steps * TINY / MOVED)

    @property
    def creeping(self) -> bool:
        """Tell whether the loss falls as if by too small a rate: straight on, far from the end, after many steps."""
        small = self.tiny_steps
        return self.straight and self.far and (self.steps >= MANY if small is None else small)

    @property
    def cut_short(self) -> bool:
        """Tell whether the loss was falling straight on by steps of a healthy size, or too few of them to say."""
        small = self.tiny_steps
        return self.straight and (self.steps < MANY if small is None else not small)


def pace(
    loss: ArrayLike,
    *,
    ratios: ArrayLike | None = None,
    floor: float | None = None,
    epoch_starts: Sequence[int] | None = None,
) -> Pace | None:
    """Return the pace of a fall; None below five finite values.

    `ratios` are update over weight of the looked-at steps and parameters, in any shape; NaN is left out.

    >>> found = pace([2.3 - 1e-4 * t for t in range(1000)], ratios=[1e-5])
    >>> found.creeping, round(found.steps_to_zero, -3)
    (True, 22000.0)
    """
    form = shape(loss, epoch_starts=epoch_starts, floor=floor)
    _, values = finite(loss)
    if form is None:
        return None
    values = without_repeat(values, form.repeat)
    n = len(values)
    width = max(1, min(end_window(n, form.repeat), n // 2))
    middle = float(np.median(values[n // 2 - width // 2 : n // 2 + width - width // 2]))
    late = middle - form.end
    excess = wander(values)
    found = contrast(values, slice(n // 2, n - n // 4), slice(n - n // 4, n), excess=excess)
    per_step = late / max(1.0, n - n // 2 - width / 2)
    ratio = _median(ratios)
    return Pace(
        steps=n, fell=form.fell, fall_share=form.fall / max(form.scale, 1e-300),
        late_share=late / form.fall if form.fall > 0 else math.nan,
        per_step=per_step / max(form.scale, 1e-300),
        steps_to_zero=(form.end / per_step if per_step > 0 else math.inf) if form.nonnegative else math.nan,
        falling=found.difference > found.bound,
        below_floor=None if floor is None else form.end_mean < floor - 4 * form.end_error,
        ratio=ratio, moved=None if ratio is None else ratio * n,
    )  # fmt: skip


def _median(ratios: ArrayLike | None) -> float | None:
    if ratios is None:
        return None
    found: FloatArray = np.asarray(ratios, dtype=np.float64).reshape(-1)
    found = found[np.isfinite(found)]
    return float(np.median(found)) if len(found) else None
