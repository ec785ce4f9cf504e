"""Axes: where a value stands between 0 and 1, and which values are worth a tick."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_MARGIN = 0.04  # of the range, above and below


@dataclasses.dataclass(frozen=True)
class Axis:
    """Hold the range of an axis, linear or logarithmic."""

    low: float
    high: float
    log: bool = False

    def place(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return where values stand, 0 at `low` and 1 at `high`; NaN where they cannot stand."""
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                found = (np.log10(values) - math.log10(self.low)) / math.log10(self.high / self.low)
            return np.where(np.isfinite(found), found, np.nan)
        return (values - self.low) / (self.high - self.low)

    def at(self, value: float) -> float:
        return float(self.place(np.array([value], dtype=np.float64))[0])

    def ticks(self, most: int) -> list[float]:
        """Return round values within the range, at most `most` of them."""
        return self._decades(most) if self.log else self._even(most)

    def _even(self, most: int) -> list[float]:
        rough = (self.high - self.low) / max(most, 1)
        size = 10.0 ** math.floor(math.log10(rough))
        step = next(size * factor for factor in _STEPS if size * factor >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]

    def _decades(self, most: int) -> list[float]:
        low, high = math.log10(self.low), math.log10(self.high)
        if high - low < 1.2:
            return self._within(most)
        whole = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
        stride = math.ceil(len(whole) / most)
        ticks = [10.0**k for k in whole[::stride]]
        if len(ticks) * 3 <= most + 2:
            ticks += [3 * tick for tick in (ticks[0] / 10, *ticks) if self.low <= 3 * tick <= self.high]
        return sorted(ticks)

    def _within(self, most: int) -> list[float]:
        """Return ticks of an axis of about a decade, which holds hardly a power of ten."""
        first = 10.0 ** math.floor(math.log10(self.low))
        found = [first * k * scale for scale in (1, 10) for k in (1, 1.5, 2, 3, 4, 5, 7)]
        ticks = [tick for tick in found if self.low <= tick <= self.high]
        return ticks[:: math.ceil(len(ticks) / most)] if len(ticks) >= 2 else Axis(self.low, self.high)._even(most)


def spanning(values: Sequence[NDArray[np.float64]], *, log: bool = False, margin: float = _MARGIN) -> Axis:
    """Return an axis that holds all finite values (the positive ones, where it is logarithmic)."""
    known = np.concatenate([part[np.isfinite(part) & ((part > 0) | (not log))] for part in values] or [np.empty(0)])
    if not len(known):
        return Axis(0.1, 1.0, log=log) if log else Axis(0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    if log:
        widen = max((high / low) ** margin, 1.05)
        return Axis(low / widen, high * widen, log=True)
    widen = max(margin * (high - low), 0.01 * abs(high)) or 0.5
    return Axis(low - widen, high + widen)


def tick_label(value: float) -> str:
    """Write a tick as short as it can be: 0.1, 250, 10k, 1e-5."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3 or size >= 1e6:
        return f"{value:.2g}".replace("e-0", "e-").replace("e+0", "e")
    if size >= 1e4:
        return f"{value / 1000:.4g}k"
    return f"{value:.4g}"


Write = Callable[[float], str]
