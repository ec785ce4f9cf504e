"""Curves that climb, get lost, spike, or fall without end: facts, from which a check draws what they mean.

A rate that is too high makes a loss climb within few steps, ever faster, until it is lost or stays high. What climbs
and is healthy looks otherwise: the sum of a variational autoencoder while the weight of its second term is raised
(slowly, seldom beyond its start), the generator's loss of a GAN (slowly, ever slower), a spike (gone after some steps).

Thresholds
- LOST 3: times the start, as in findings/diverged: a loss that climbs so far before it is lost was driven there.
- STAYED 5: times the start at the end. A loss at initialisation is that of a guess; sums whose weights change reach
  twice that, and five times worse than guessing is no model. Nine tenths of the last steps must lie above LOST, as
  single batches of one example jump ten-fold, but not all of them at once. `exploded` asks for a sudden climb, too.
- SUDDEN 0.05 of the steps (at least 10) for the climb: steps that overshoot grow by a factor each.
- SPIKE 8 times the noise, and half the start: the second so that a converged curve's own ripples are none.
- SINKING 0.8: power of the step count by which a negative loss goes on falling. A bounded loss slows down (towards 0),
  one without a bottom falls as fast as ever (1) or faster.
"""

import dataclasses
import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from thalweg.diagnosis.curves.shape import end_window
from thalweg.diagnosis.curves.windows import FEWEST, FloatArray, contrast, finite, levels, wander

LOST = 3.0
STAYED = 5.0
SUDDEN = 0.05
SPIKE = 8.0
SINKING = 0.8
_TAIL = 0.1  # of the steps before the loss was lost, at least 3: where the peak of the climb must lie


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lost:
    """Hold where a loss stopped being a number, and what led there."""

    step: int
    kind: Literal["nan", "inf"]
    share: float  # of the steps from there on that are no numbers
    back: bool  # the last step is a number again
    growth: float  # the peak of the steps just before, in starts; NaN where nothing came before

    @property
    def climbed(self) -> bool:
        """Tell whether the loss had climbed to many times its start just before it was lost."""
        return self.growth > LOST


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Climb:
    """Hold how far a loss rose in the end, and how. Levels are in units of the start (or of the fall, below zero)."""

    growth: float  # the end over the start: 1 is a loss that ended where it began
    low_growth: float  # the same for the lowest tenth of the last steps
    peak_growth: float  # the highest median of a window
    steps: int  # that the way from the last lowest level to half the final rise took
    sudden: bool
    concave: bool  # the first half of the climb's steps brought more than half of its height
    high_share: float  # of the steps, since the loss last came back to twice its start

    @property
    def stayed(self) -> bool:
        """Tell whether a loss ended at many times its start."""
        return self.growth >= STAYED and self.low_growth >= LOST

    @property
    def exploded(self) -> bool:
        """Tell whether it stayed there after a climb within few steps, or one that went ever faster."""
        return self.stayed and (self.sudden or not self.concave)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spikes:
    """Hold how often a loss jumped out of its noise, how long it needed to come back, and whether it did."""

    count: int
    longest: int
    open: bool  # the last one was still up at the end
    highest: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sinking:
    """Hold how a loss below zero falls: as a power of the step count, over the last half of the run."""

    level: float
    power: float
    late: float  # slope of the last quarter over that of the quarter before

    @property
    def endless(self) -> bool:
        """Tell whether it falls without slowing down."""
        return self.power >= SINKING and self.late >= SINKING


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """Hold what is known of a loss that climbs; `lost`, `climb`, `spikes` and `sinking` are None if there is none."""

    start: float
    lost: Lost | None
    climb: Climb | None
    spikes: Spikes | None
    sinking: Sinking | None


def divergence(loss: ArrayLike) -> Divergence:
    """Return how a curve climbs, spikes, is lost or sinks without end.

    >>> found = divergence([2.0, 2.1, 4.0, 30.0, 900.0, float("nan"), float("nan")])
    >>> found.lost.step, found.lost.climbed
    (5, True)
    """
    raw = np.asarray(loss, dtype=np.float64).reshape(-1)
    _, values = finite(raw)
    start = _start(values)
    if len(values) < FEWEST:
        return Divergence(start=start, lost=_lost(raw, start), climb=None, spikes=None, sinking=None)
    return Divergence(
        start=start, lost=_lost(raw, start), climb=_climb(values, start),
        spikes=_spikes(values, start), sinking=_sinking(values),
    )  # fmt: skip


def _start(values: FloatArray) -> float:
    """Return the level before anything happened: the first loss alone where it explodes at once."""
    if not len(values):
        return math.nan
    if len(values) < 10:
        return float(values[0])
    a, b, c = (float(v) for v in values[:3])
    exploding = 0 < 3 * a < b and 3 * b < c
    return a if exploding else float(np.median(values[:5]))


def _lost(raw: FloatArray, start: float) -> Lost | None:
    gone = ~np.isfinite(raw)
    if not gone.any():
        return None
    first = int(np.argmax(gone))
    before = raw[:first]
    growth = math.nan
    if first:
        peak = int(np.argmax(before))
        near = first - peak <= max(3, _TAIL * first)
        growth = float(before[peak]) / max(abs(start), 1e-300) if near else 1.0
    kind: Literal["nan", "inf"] = "nan" if np.isnan(raw[first]) else "inf"
    return Lost(step=first, kind=kind, share=float(gone[first:].mean()), back=not gone[-1], growth=min(growth, 1e300))


def _climb(values: FloatArray, start: float) -> Climb | None:
    n = len(values)
    tail = end_window(n)
    path = levels(values)
    unit = abs(start) if values.min() >= 0 else max(abs(start), start - float(path.values.min()))
    end = values[-tail:]
    rise = float(np.median(end)) - start
    if rise <= contrast(values, slice(0, min(5, n // 2)), slice(n - tail, n), excess=wander(values)).bound or unit == 0:
        return None
    highs = np.flatnonzero(values <= start + unit)
    since = int(highs[-1]) + 1 if len(highs) else 0
    took = _climbing(values, start, rise)
    return Climb(
        growth=1 + rise / unit, low_growth=1 + (float(np.quantile(end, 0.1)) - start) / unit,
        peak_growth=1 + (float(path.values.max()) - start) / unit,
        steps=took, sudden=took <= max(10, SUDDEN * n), concave=_is_concave(path.values),
        high_share=(n - since) / n,
    )  # fmt: skip


def _climbing(values: FloatArray, start: float, rise: float) -> int:
    """Return the steps from the last low stretch to the first stretch that lies above half the rise, mostly."""
    n = len(values)
    width = max(1, min(n // 50, 1000))
    runs = np.ones(width)
    high = np.convolve(values >= start + rise / 2, runs, mode="valid") > 0.5 * width
    reached = int(np.argmax(high)) if high.any() else n
    low = np.convolve(values[: reached + width] <= start + 0.1 * rise, runs, mode="valid") > 0.5 * width
    lows = np.flatnonzero(low)
    return max(1, reached - int(lows[-1])) if len(lows) else reached + 1


def _is_concave(path: FloatArray) -> bool:
    top = int(np.argmax(path))
    bottom = int(np.argmin(path[: top + 1]))
    middle = path[(top + bottom) // 2]
    return bool(middle - path[bottom] > 0.5 * (path[top] - path[bottom]))


def _spikes(values: FloatArray, start: float) -> Spikes | None:
    """Find stretches above the path by more than noise; medians of windows, which no spike moves, are the path."""
    n = len(values)
    if n < 20:
        return None
    path = levels(values)
    highest = np.max(np.stack([np.roll(path.values, k) for k in (-1, 0, 1)]), axis=0)  # a drop of the path is no spike
    base = np.interp(np.arange(n), path.steps, highest)
    sigma = float(np.median(np.abs(np.diff(values)))) / 0.954
    up = values > base + max(SPIKE * sigma, 0.5 * abs(start))
    up[: n // 20] = False  # the way down from the start is none
    if not up.any():
        return None
    edges = np.flatnonzero(np.diff(np.concatenate(([0], up.astype(np.int8), [0]))))
    lengths = edges[1::2] - edges[::2]
    return Spikes(count=len(lengths), longest=int(lengths.max()), open=bool(up[-1]), highest=float(values[up].max()))


def _sinking(values: FloatArray) -> Sinking | None:
    n = len(values)
    if n < 20:
        return None
    tail = end_window(n)
    level = float(np.median(values[-tail:]))
    found = contrast(values, slice(n // 2, n // 2 + tail), slice(n - tail, n), excess=wander(values))
    if level >= 0 or found.difference <= found.bound:
        return None
    path = levels(values)
    depth = path.values[0] - path.values
    late = path.steps >= n / 2
    power = float(np.polyfit(np.log(path.steps[late] + 1), np.log(np.maximum(depth[late], 1e-300)), 1)[0])
    q = [float(np.median(values[int(n * a) - tail // 2 : int(n * a) + tail // 2 + 1])) for a in (0.5, 0.75, 0.95)]
    before, after = (q[0] - q[1]) / 0.25, (q[1] - q[2]) / 0.2
    return Sinking(level=level, power=power, late=after / before if before > 0 else math.inf)
