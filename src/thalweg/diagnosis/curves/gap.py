"""What training and validation say together: a gap, and whether the validation curve turns for good.

Thresholds, as in findings/overfitting
- RISE 0.1 of the lowest validation loss, and more than noise can make of a level curve (once in a hundred);
  LOSS_OF_GAIN 0.01 of all that the validation loss had fallen by.
- For measures of which more is better (accuracies up to 1, or up to 100) the same rules hold for what is missing to the
  top; an error of a few examples doubles by chance, hence MISSED 0.01 of the whole range as the least rise.
- FEWEST 5 evaluations: below, a curve has no shape and only the gap at its end is told.
- WIDE 2: times the training loss, and a tenth of the fall.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.windows import FloatArray, IntArray
from thalweg.findings.noise import steadiest

RISE = 0.1
LOSS_OF_GAIN = 0.01
MISSED = 0.01
FEWEST = 5
WIDE = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Hold the gap of two curves. Levels are losses; of a measure that grows, what is missing to its top."""

    evaluations: int
    onset: int | None  # step of the best validation level, None with fewer than five evaluations
    best: float
    train_end: float
    validation_end: float
    rise: float  # of the validation level since its best
    rise_bound: float  # what noise alone can make it rise
    rise_matters: float  # what it must rise to matter
    train_fell: float  # since the best validation level
    train_bound: float
    train_steady: bool  # at least five training levels since then, each below the one before (once in 120 by chance)
    fall: float  # of the training level, over the whole run

    @property
    def gap(self) -> float:
        return self.validation_end - self.train_end

    @property
    def wide(self) -> bool:
        """Tell whether validation ends far above training."""
        return self.gap > (WIDE - 1) * abs(self.train_end) and self.gap > 0.1 * self.fall

    @property
    def rises(self) -> bool:
        """Tell whether the validation level turned for good."""
        return self.onset is not None and self.rise > max(self.rise_bound, self.rise_matters)

    @property
    def overfits(self) -> bool:
        """Tell whether validation got worse for good while training got better."""
        return self.rises and (self.train_fell > self.train_bound or self.train_steady)


def gap(steps: ArrayLike, train: ArrayLike, validation: ArrayLike, *, higher_is_better: bool = False) -> Gap | None:
    """Return the gap of two curves read at the same steps; evaluations that are no numbers are left out.

    None where none is left. `train` and `validation` must be of the same measure.

    >>> train, held = [2, 1, 0.5, 0.3, 0.2, 0.15, 0.1, 0.08], [2, 1.2, 0.9, 0.8, 0.9, 1.0, 1.1, 1.2]
    >>> found = gap(range(8), train, held)
    >>> found.overfits, found.onset
    (True, 3)
    """
    at = np.asarray(steps, dtype=np.int64).reshape(-1)
    learnt, held = (np.asarray(v, dtype=np.float64).reshape(-1) for v in (train, validation))
    known = np.isfinite(learnt) & np.isfinite(held)
    at, learnt, held = at[known], learnt[known], held[known]
    if not len(at):
        return None
    least = 0.0
    if higher_is_better:
        high = max(float(learnt.max()), float(held.max()))
        top = 1.0 if high <= 1 else 100.0 if high <= 100 and min(learnt.min(), held.min()) >= 0 else high
        learnt, held, least = top - learnt, top - held, MISSED * top
    return _turn(at, learnt, held, least)


def _turn(steps: IntArray, train: FloatArray, held: FloatArray, least: float) -> Gap:
    n = len(steps)
    low = int(np.argmin(held))
    end = float(np.median(held[-3:])) if n >= 3 else float(held[-1])
    train_end = float(np.median(train[-3:])) if n >= 3 else float(train[-1])
    best = float(held[low])
    shaped = n >= FEWEST and n - low >= 3
    bound = train_bound = float("inf")
    rise = end - best
    if shaped:
        rise, bound = _rise(held, low)
        train_bound = steadiest(train, low)[1]
    fall = max(float(train[0]), float(held[0])) - train_end
    nonnegative = min(best, float(train.min())) >= 0
    matters = max(RISE * (best if nonnegative else fall), LOSS_OF_GAIN * (float(held[0]) - best), least)
    return Gap(
        evaluations=n, onset=int(steps[low]) if shaped else None, best=best, train_end=train_end, validation_end=end,
        rise=rise, rise_bound=bound, rise_matters=matters, train_fell=float(train[low]) - train_end,
        train_bound=train_bound, train_steady=n - low >= FEWEST and bool(np.all(np.diff(train[low:]) < 0)), fall=fall,
    )  # fmt: skip


def _rise(held: FloatArray, low: int) -> tuple[float, float]:
    """Return how far a curve rose from its lowest place, and the bound of noise, by the clearer of two comparisons.

    The lowest value alone with the last three, and as many values about it as a quarter of those that follow with as
    many at the end, which averages more noise; each is given half the chance.
    """
    n = len(held)
    looks = 2 * n
    noise, bound = steadiest(held, low, looks=looks)
    k = max(3, (n - low) // 4)
    first = held[max(0, low - k // 2) : low + k // 2 + 1]
    found = [
        (float(np.median(held[-3:]) - held[low]), bound),
        (float(np.median(held[-k:]) - np.median(first)), noise.bound(len(first), k, looks=2 * looks)),
    ]
    return max(found, key=lambda pair: pair[0] / max(pair[1], 1e-300))


def levels_before(loss: ArrayLike, steps: ArrayLike) -> FloatArray:
    """Return the mean training loss of the last part before each of some steps, as a partner for evaluations there.

    The part is a quarter of the steps since the evaluation before (at least one): the mean of a whole epoch belongs to
    the weights of its middle and makes the training loss look worse than it was. NaN where nothing came before.
    """
    values = np.asarray(loss, dtype=np.float64).reshape(-1)
    found, last = [], 0
    for step in np.asarray(steps, dtype=np.int64).reshape(-1):
        end = min(int(step), len(values))
        start = end - max(1, (end - last) // 4)
        part = values[max(start, 0) : end]
        part = part[np.isfinite(part)]
        found.append(float(part.mean()) if len(part) else float("nan"))
        last = end
    return np.asarray(found)
