"""A rate that was gone while the loss still had somewhere to go.

That a loss stands still at a rate of almost nothing is no wonder; the question is whether it had been falling when the
rate ran out. On the axis of the rates' sum, which for small steps is the time of gradient flow, a run that had
converged is level long before its end, and one that was starved still falls there.

Thresholds
- As in `rates`: gone is below a thousandth of the peak, for at least a fifth of the run.
- What the same sum of rates again would bring must be large by the thresholds of `outlook`.
- LITTLE 0.05 of the fall (for `stranded`: of the start's loss) came after the rate was gone.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.outlook import Gain, continued, is_large
from thalweg.diagnosis.curves.pace import FAR
from thalweg.diagnosis.curves.rates import GONE, schedule
from thalweg.diagnosis.curves.shape import shape
from thalweg.diagnosis.curves.windows import FloatArray, finite

LITTLE = 0.05
_WINDOWS = 16
_FEWEST = 5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Starvation:
    """Hold where the rate ran out, what the loss did before and after, and what the same sum of rates would bring."""

    step: int
    gone_share: float
    fell_before: float  # of the start's loss
    fell_after: float  # of the start's loss
    gain: Gain | None  # by the same sum of rates again; None where too few steps had a rate
    share_of_fall: Gain | None
    share_of_loss: Gain | None
    left: float  # level after the rate was gone, in units of the start

    @property
    def starved(self) -> bool:
        """Tell whether the loss stopped because the rate did."""
        if self.share_of_fall is None or self.share_of_loss is None:
            return False
        return is_large(self.share_of_fall, self.share_of_loss) and self.fell_after <= LITTLE * max(
            self.fell_before, 0.0
        )

    @property
    def stranded(self) -> bool:
        """Tell whether the rate ran out with most of the start's loss left, whatever the loss was doing."""
        return self.left >= FAR and self.fell_after <= LITTLE


def starvation(loss: ArrayLike, lr: ArrayLike) -> Starvation | None:
    """Return what a rate that ran out did to the loss; None where it did not, or not early."""
    plan = schedule(lr)
    form = shape(loss)
    if plan is None or form is None or plan.gone_from is None or not plan.gone_early:
        return None
    steps, values = finite(loss)
    rates = np.asarray(lr, dtype=np.float64).reshape(-1)[steps]
    before = int(np.searchsorted(steps, plan.gone_from))
    scale = max(form.scale, 1e-300)
    after = values[before:]
    if not 0 < before < len(values):
        return None
    third = max(1, len(after) // 3)
    level, settled = float(np.median(after[:third])), float(np.median(after))
    gain = _gain(values[:before], rates[:before], settled, form.noise / max(1, len(after)) ** 0.5)
    fall = max(form.start - settled, 1e-300)
    return Starvation(
        step=plan.gone_from, gone_share=plan.gone_share, fell_before=(form.start - level) / scale,
        fell_after=(level - form.end) / scale, gain=gain, share_of_fall=gain and gain.over(fall),
        share_of_loss=gain and gain.over(settled if form.nonnegative else fall), left=settled / scale,
    )  # fmt: skip


def _gain(values: FloatArray, rates: FloatArray, settled: float, error: float) -> Gain | None:
    """Fit the loss over the sum of rates; the steps after the rate was gone tell the level at its end well."""
    rates = np.where(np.isfinite(rates), np.abs(rates), 0.0)
    total = np.cumsum(rates)
    if total[-1] <= 0 or (rates >= GONE * rates.max()).sum() < _FEWEST:
        return None
    time = total / total[-1]
    late = time >= 0.15 if (time >= 0.15).sum() >= 2 * _FEWEST else np.ones(len(time), dtype=bool)
    edges = np.linspace(float(time[late][0]), 1.0, _WINDOWS + 1)
    place = np.clip(np.searchsorted(edges, time[late], side="right") - 1, 0, _WINDOWS - 1)
    t, v, e = [], [], []
    noise = float(np.median(np.abs(np.diff(values)))) / 0.954
    for k in np.unique(place):
        part = place == k
        t.append(float(np.mean(time[late][part])))
        v.append(float(np.median(values[late][part])))
        e.append(1.2533 * noise / float(part.sum()) ** 0.5)
    if len(t) < _FEWEST:
        return None
    return continued(np.array([*t, 1.0]), np.array([*v, settled]), np.array([*e, 1.2533 * error]))[0]
