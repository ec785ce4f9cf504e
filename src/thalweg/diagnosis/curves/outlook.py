"""What as many steps again would bring: the path of a loss, continued.

The last three quarters of the run are fitted by c + a·φ(t), with φ a power of the step count, an exponential or a
straight line, over a grid of powers and time constants; a and c follow by weighted least squares. What the fits that
agree with the levels predict for twice the steps is the interval, the mean weighted by likelihood the estimate. The
data rarely tell a power law from an exponential: the interval holds both.

Thresholds
- SHARE_OF_FALL 0.2 of all that was gained so far. An exponential that has run for two of its time constants would gain
  0.13 of its fall, a power law t^-0.5 after fifty times its own scale 0.05; a run that stops on the steep part, 0.3 or
  more. At the lower end of the interval it must still be LEAST 0.05: the interval of a short run is wide.
- SHARE_OF_LOSS 0.1 of the loss itself: less is seldom worth a run twice as long. A loss of almost nothing may go on
  halving for ever: that is a large share of the loss, but a small one of the fall.
- ANNEALED 0.5: once the rate is below half of what it was when the fit begins, the loss falls because the steps get
  smaller, and a longer run would not go on from here.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.shape import end_window, shape
from thalweg.diagnosis.curves.windows import FloatArray, contrast, finite, levels, wander, without_repeat

SHARE_OF_FALL = 0.2
LEAST = 0.05
SHARE_OF_LOSS = 0.1
ANNEALED = 0.5
_WINDOWS = 24
_WITHIN = 3.84  # of chi square: fits that the levels do not refute at one in twenty
_FEWEST = 5
_POWERS = np.geomspace(0.1, 4, 24)
_DECAYS = np.geomspace(0.06, 3, 40)  # time constants in lengths of the run


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """Hold the fall that as much again would bring, with the interval of the fits that agree with the levels."""

    estimate: float
    low: float
    high: float

    def over(self, unit: float) -> "Gain":
        """Return the gain in another unit."""
        size = max(abs(unit), 1e-300)
        return Gain(estimate=self.estimate / size, low=self.low / size, high=self.high / size)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """Hold what a run twice as long would gain, in the loss's unit and as shares of the fall and of the loss so far."""

    gain: Gain
    fall: float
    level: float  # the path's value at the last step
    share_of_fall: Gain
    share_of_loss: Gain
    falling: bool  # the last half still falls by more than noise
    annealed: bool  # the rate has been taken down meanwhile
    warming: bool  # the rate was still going up at the end
    steps: int

    @property
    def large(self) -> bool:
        """Tell whether the run stopped while it had much to gain."""
        return is_large(self.share_of_fall, self.share_of_loss) and self.falling and not self.annealed


def outlook(
    loss: ArrayLike, lr: ArrayLike | None = None, *, epoch_starts: Sequence[int] | None = None
) -> Outlook | None:
    """Return what as many steps again would bring; None where there is too little to fit or no fall to continue.

    >>> found = outlook([3 * 0.99**t for t in range(60)])
    >>> found.large, round(found.gain.estimate, 1)
    (True, 0.8)
    """
    form = shape(loss, epoch_starts=epoch_starts)
    steps, values = finite(loss)
    if form is None or not form.fell:
        return None
    values = without_repeat(values, form.repeat)
    n = len(values)
    first = n // 4 if n >= 12 else 0
    path = levels(values[first:], length=form.repeat, most=_WINDOWS)
    if len(path.values) < _FEWEST:
        return None
    gain, level = continued((path.steps + first + 1) / n, path.values, path.errors * max(1.0, form.wander / 2))
    if form.nonnegative:
        most = max(level, 0.0)
        gain = Gain(estimate=min(gain.estimate, most), low=min(gain.low, most), high=min(gain.high, most))
    fall = form.start - level
    unit = level if form.nonnegative else fall
    rates = None if lr is None else np.asarray(lr, dtype=np.float64).reshape(-1)[steps]
    return Outlook(
        gain=gain, fall=fall, level=level,
        share_of_fall=gain.over(fall), share_of_loss=gain.over(unit),
        falling=_falls(values, form.repeat), annealed=_is_annealed(rates, first), warming=_is_warming(rates), steps=n,
    )  # fmt: skip


def is_large(share_of_fall: Gain, share_of_loss: Gain) -> bool:
    """Tell whether a gain is worth as much again."""
    enough = share_of_fall.estimate >= SHARE_OF_FALL and share_of_fall.low >= LEAST
    return enough and share_of_loss.estimate >= SHARE_OF_LOSS


def continued(time: FloatArray, values: FloatArray, errors: FloatArray) -> tuple[Gain, float]:
    """Return the gain between time 1 and time 2 of levels that were read before time 1, and the level at time 1.

    Any axis will do that ends at 1: steps, or the sum of rates.
    """
    error = np.maximum(errors, 1e-3 * np.ptp(values) + 1e-300)
    phi_ST, now_S, then_S = (_phi(t) for t in (time, np.array([1.0]), np.array([2.0])))
    now_S, then_S = now_S[:, 0], then_S[:, 0]
    w = 1 / error**2
    middle_S, mean = phi_ST @ w / w.sum(), float(w @ values / w.sum())
    x_ST = phi_ST - middle_S[:, None]
    spread_S = x_ST**2 @ w
    a_S = x_ST @ (w * (values - mean)) / spread_S
    chi_S = (values - mean - a_S[:, None] * x_ST) ** 2 @ w
    gain_S, reach_S = a_S * (now_S - then_S), np.abs(now_S - then_S) / np.sqrt(spread_S)
    excess = max(1.0, float(chi_S.min()) / max(1, len(values) - 3))
    off_S = (chi_S - chi_S.min()) / excess
    agree_S = off_S <= _WITHIN
    weight_S = np.exp(-off_S / 2) * agree_S
    weight_S /= weight_S.sum()
    reach_S = 2 * math.sqrt(excess) * reach_S
    gain = Gain(
        estimate=float(weight_S @ gain_S),
        low=float(np.min((gain_S - reach_S)[agree_S])),
        high=float(np.max((gain_S + reach_S)[agree_S])),
    )
    return gain, float(weight_S @ (mean + a_S * (now_S - middle_S)))


def _phi(t: FloatArray) -> FloatArray:
    """Return every shape S at times T: powers, exponentials, and a line."""
    return np.concatenate((t[None, :] ** -_POWERS[:, None], np.exp(-t[None, :] / _DECAYS[:, None]), -t[None, :]))


def _falls(values: FloatArray, repeat: int) -> bool:
    """Tell whether the third quarter lies above the last by more than noise."""
    n = len(values)
    part = max(2, n // 4)
    part = part // repeat * repeat if 1 < repeat <= part else part
    found = contrast(values, slice(n - 2 * part, n - part), slice(n - part, n), excess=wander(values))
    return found.difference > found.bound


def _is_annealed(rates: FloatArray | None, first: int) -> bool:
    if rates is None or not len(rates):
        return False
    last = rates[-end_window(len(rates)) :]
    return bool(np.median(last) < ANNEALED * np.max(rates[first:]))


def _is_warming(rates: FloatArray | None) -> bool:
    return rates is not None and len(rates) > 4 and bool(rates[-1] >= rates.max() and rates[-1] > 1.001 * rates[-2])
