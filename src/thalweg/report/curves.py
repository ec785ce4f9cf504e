"""Curves of a run: loss, metrics, rate and gradient over steps, thinned so that a long run can be drawn.

Axis letters: S steps, N points kept.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.findings.parts import extremes
from thalweg.signals import Trace

POINTS = 1800  # kept of a long series: the lowest and the highest in each of half as many columns of pixels
_SMOOTH_PARTS = 100  # of a run, one of which the smoothed loss looks back on
_ORDER = ("bits", "accuracy", "r2", "perplexity", "macro_f1", "mae", "rmse")

Numbers = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Series:
    """Hold one line: `values` (N,) at `steps` (N,); a NaN is a gap."""

    steps: Numbers
    values: Numbers

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def finite(self) -> Numbers:
        return self.values[np.isfinite(self.values)]

    @property
    def last(self) -> float:
        """The last finite value, NaN where there is none."""
        return float(self.finite[-1]) if len(self.finite) else math.nan


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """Hold everything that is drawn over time."""

    loss: Series
    smoothed: Series
    lr: Series
    grad_norm: Series
    evaluated: dict[tuple[str, str], Series]
    """(split, metric) to its series; splits are train and validation."""
    num_steps: int
    steps_per_epoch: float
    """NaN where a run has too few steps to tell."""
    lost_at: int | None
    """The first step whose loss is no finite number."""
    best_at: int | None
    """The step whose weights were given back at the end."""

    def epoch(self, step: float) -> float:
        return step / self.steps_per_epoch

    def metrics(self) -> list[str]:
        """Return the metrics that were evaluated beside the loss, the one that a task is judged by first."""
        names = dict.fromkeys(metric for _, metric in self.evaluated if metric != "loss")
        return sorted(names, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))

    def get(self, split: str, metric: str) -> Series:
        nothing = np.empty(0)
        return self.evaluated.get((split, metric), Series(steps=nothing, values=nothing))


def read_curves(trace: Trace) -> Curves:
    """Read the curves of a trace."""
    columns = trace.steps()
    steps, loss = columns["step"], columns["loss"]
    per_epoch = _steps_per_epoch(steps, columns["epoch"])
    lost = np.flatnonzero(~np.isfinite(loss))
    return Curves(
        loss=thin(steps, loss),
        smoothed=thin(steps, smooth(loss)),
        lr=thin(steps, columns["lr"]),
        grad_norm=thin(steps, columns["grad_norm"]),
        evaluated=_evaluated(trace.evaluations()),
        num_steps=len(steps),
        steps_per_epoch=per_epoch,
        lost_at=int(steps[lost[0]]) if len(lost) else None,
        best_at=_best_at(trace.events(), per_epoch),
    )


def smooth(values: Numbers, *, parts: int = _SMOOTH_PARTS) -> Numbers:
    """Average with weights that fall off by e over one of `parts` of the series.

    m_t = b m_{t-1} + (1 - b) v_t;  smoothed_t = m_t / (1 - b^t)

    The division takes out the bias towards the start at 0. What is not finite stays as it is, unaveraged.
    Source: Kingma and Ba 2015, section 3 (the correction).
    """
    keep = math.exp(-parts / max(len(values), parts))
    kept, total, weight = [], 0.0, 0.0
    for value in values.tolist():
        if math.isfinite(value):
            total, weight = keep * total + (1 - keep) * value, keep * weight + (1 - keep)
            kept.append(total / weight)
        else:
            kept.append(value)
    return np.array(kept, dtype=np.float64)


def thin(steps: Numbers, values: Numbers, *, points: int = POINTS) -> Series:
    """Keep the lowest and the highest value of each of `points // 2` stretches, so that no spike is lost."""
    finite = np.where(np.isfinite(values), values, np.nan)
    index = extremes(finite, points)
    return Series(steps=steps[index], values=finite[index])


def _evaluated(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], Series]:
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        if row["split"] in ("train", "validation"):
            found.setdefault((row["split"], row["metric"]), []).append((row["step"], row["value"]))
    series = {}
    for name, pairs in found.items():
        table = np.array(pairs, dtype=np.float64)
        series[name] = thin(table[:, 0], table[:, 1])
    return series


def _steps_per_epoch(steps: Numbers, epochs: Numbers) -> float:
    known = np.isfinite(epochs) & (epochs > 0)
    return float(steps[known][-1] / epochs[known][-1]) if known.any() else math.nan


def _best_at(events: Iterable[dict[str, Any]], per_epoch: float) -> int | None:
    epochs = [event["message"].values.get("epoch") for event in events if event["kind"] == "restored"]
    if not epochs or epochs[-1] is None or math.isnan(per_epoch):
        return None
    return round(float(epochs[-1]) * per_epoch)
