"""What the rate did over a run: warm-up, decay, restarts, oscillation, and how much of the run had hardly any.

Thresholds
- GONE 1e-3 of the peak: the rest of the run, at that rate, is worth a thousandth of its steps. Schedules that end in
  zero on purpose pass below it in the last 0.02 (cosine) or 0.001 (linear) of the run; a share of GONE_SHARE 0.2 is no
  ending.
- CHANGED 1e-9, relative: rates are products of floats.
- WARM 0.9 of the peak at the start, at least: else the way up to the peak is a warm-up.
- RESTART 1.5: a rise by this factor over one step after a decline.
- AT_BORDERS 0.9 of the changes lie at the first step of an epoch, or one beside it (schedulers are stepped before or
  after the border).
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.windows import FloatArray, IntArray

GONE = 1e-3
GONE_SHARE = 0.2
CHANGED = 1e-9
WARM = 0.9
RESTART = 1.5
AT_BORDERS = 0.9

Change = Literal["never", "once", "step", "epoch", "other"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Hold the facts of a rate over a run; times are in steps, `None` is what the rate did not do."""

    steps: int
    first: float
    peak: float
    peak_step: int
    last: float
    constant: bool
    warmup: int | None  # steps until the peak, where the rate began well below it and rose to it without a fall
    unfinished: bool  # it was still on its way up when the run ended: the peak of the plan was never reached
    half_life: float | None  # steps for half of the rate, over the decline after the (last) peak
    restarts: tuple[int, ...]
    period: int | None  # between one peak and the next, where there are at least three
    gone_from: int | None  # step from which the rate stays below a thousandth of its peak
    changes: int
    changes_at: Change  # where the rate changes; `epoch` needs the starts of epochs
    changes_per_epoch: float | None

    @property
    def gone_share(self) -> float:
        """Return the share of the run that was spent at a negligible rate, to its end."""
        return 0.0 if self.gone_from is None else (self.steps - self.gone_from) / self.steps

    @property
    def gone_early(self) -> bool:
        """Tell whether the rate was gone for more of the run than an ending takes."""
        return self.gone_share >= GONE_SHARE


def schedule(lr: ArrayLike, *, epoch_starts: Sequence[int] | None = None) -> Schedule | None:
    """Return what the rate did; None where no step has a finite rate.

    >>> found = schedule([0.1 * 0.5**t for t in range(40)])
    >>> found.half_life, found.gone_from, found.changes_at
    (1.0, 10, 'step')
    """
    rates = np.asarray(lr, dtype=np.float64).reshape(-1)
    if not len(rates) or not np.isfinite(rates).any():
        return None
    rates = np.abs(_filled(rates))
    moved = np.flatnonzero(np.abs(np.diff(rates)) > CHANGED * np.maximum(rates[1:], rates[:-1])) + 1
    peak = float(rates.max())
    top = int(np.argmax(rates >= peak * (1 - CHANGED)))
    warmup = _warmup(rates, top, peak)
    tops = _peaks(rates)
    restarts = _restarts(rates)
    small = np.flatnonzero(rates >= GONE * peak)
    gone = int(small[-1]) + 1 if peak > 0 else 0
    starts = None if epoch_starts is None else np.asarray(epoch_starts, dtype=np.int64)
    return Schedule(
        steps=len(rates), first=float(rates[0]), peak=peak, peak_step=top, last=float(rates[-1]),
        constant=not len(moved), warmup=warmup, unfinished=warmup is not None and _is_rising(rates, moved),
        half_life=_half_life(rates, max((top, *restarts[-1:]))), restarts=restarts,
        period=round(float(np.median(np.diff(tops)))) if len(tops) >= 3 else None,
        gone_from=gone if gone < len(rates) else None, changes=len(moved),
        changes_at=_where(moved, len(rates), starts),
        changes_per_epoch=len(moved) / len(starts) if starts is not None and len(starts) else None,
    )  # fmt: skip


def _filled(rates: FloatArray) -> FloatArray:
    known = np.isfinite(rates)
    return np.interp(np.arange(len(rates)), np.flatnonzero(known), rates[known])


def _warmup(rates: FloatArray, top: int, peak: float) -> int | None:
    way = rates[: top + 1]
    rising = top > 0 and rates[0] < WARM * peak and bool(np.all(np.diff(way) >= -CHANGED * peak))
    return top if rising else None


def _is_rising(rates: FloatArray, moved: IntArray) -> bool:
    """Tell whether the rate ended on the way up: its last change was a rise, no longer ago than such changes take."""
    if not len(moved) or rates[-1] <= rates[moved[-1] - 1] or rates[-1] < rates.max() * (1 - CHANGED):
        return False
    gap = int(np.max(np.diff(moved))) if len(moved) > 1 else 1
    return len(rates) - int(moved[-1]) <= gap


def _restarts(rates: FloatArray) -> tuple[int, ...]:
    """Return the steps that jump up after a decline: the rate had been as high before."""
    before = np.maximum.accumulate(rates)[:-1]
    jumps = (rates[1:] > RESTART * rates[:-1]) & (rates[:-1] < before / RESTART)
    return tuple(int(k) + 1 for k in np.flatnonzero(jumps))


def _peaks(rates: FloatArray) -> IntArray:
    """Return the first steps of the highest stretches between declines of at least a tenth."""
    moves = np.diff(rates)
    turns = np.flatnonzero(np.sign(moves) != 0)
    sign = np.sign(moves[turns])
    tops = turns[:-1][(sign[:-1] > 0) & (sign[1:] < 0)] + 1
    if len(turns) and sign[0] < 0:
        tops = np.concatenate(([0], tops))
    if len(tops) < 3:
        return tops.astype(np.int64)
    lows = np.minimum.reduceat(rates, tops)[:-1]
    deep = lows < 0.9 * np.minimum(rates[tops[:-1]], rates[tops[1:]])
    return np.asarray(tops[np.concatenate(([True], deep))], dtype=np.int64)


def _half_life(rates: FloatArray, since: int) -> float | None:
    """Return after how many steps the rate is half, by the slope of its logarithm until it is down to a thousandth."""
    way = rates[since:]
    falling = np.flatnonzero(way < way[0] * (1 - CHANGED)) if len(way) else np.array([], dtype=np.int64)
    if not len(falling) or way[0] <= 0:
        return None
    small = np.flatnonzero(way < GONE * way[0])
    end = int(small[0]) if len(small) else len(way) - 1
    folded = math.log2(way[0] / max(float(way[end]), 1e-300))
    half = np.flatnonzero(way <= way[0] / 2)
    if folded < 1 or not len(half):
        return end / folded if folded > 0 else None
    return float(half[0])


def _where(moved: IntArray, steps: int, starts: IntArray | None) -> Change:
    if not len(moved):
        return "never"
    span = steps - 1 if len(moved) < 3 else int(moved[-1] - moved[0]) + 1
    each_step = len(moved) >= 0.9 * span and len(moved) > 2
    if starts is not None and len(starts) > 1:
        inner = starts[starts > 0]
        near = np.min(np.abs(moved[:, None] - inner[None, :][:, :4096]), axis=1) <= 1 if len(moved) <= 4096 else None
        wide = len(inner) > 1 and float(np.median(np.diff(inner))) > 3
        if near is not None and wide and float(near.mean()) >= AT_BORDERS:
            return "epoch"
    if each_step:
        return "step"
    return "once" if len(moved) == 1 else "other"
