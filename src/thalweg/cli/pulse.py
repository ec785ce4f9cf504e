"""What is known of a run under way: gathered in about a microsecond a step, reckoned up when shown."""

import dataclasses
import math
import statistics
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.cli.health import WINDOW, health
from thalweg.train import Job, Snapshot, better

_KEPT = 4096  # losses kept between two looks
_POINTS = 48  # of the loss curve


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a pulse shows at a moment. NaN and None stand for what is not known yet."""

    epoch: float
    epochs: int
    step: int
    steps: int
    seconds: float
    left: float
    per_second: float
    examples_per_second: float
    loss: float
    curve: tuple[float, ...]
    metric: str
    value: float
    best: float
    best_epoch: float
    lr: float
    grad_norm: float
    health: str


class Pulse:
    """Take in each snapshot; give a `Reading` when asked."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._losses: deque[float] = deque(maxlen=_KEPT)
        self._last: Snapshot | None = None
        self._first: tuple[int, float] | None = None
        self._seen = 0  # steps already in the curve
        self._curve: list[float] = []
        self._chunk = 1.0  # steps a point of the curve stands for
        self._waiting: list[float] = []
        self._start = self._lowest = math.nan
        self._metric = _metric(job)
        self._value = self._best = self._best_epoch = math.nan

    def recall(self, evaluations: Sequence[Mapping[str, Any]]) -> None:
        """Take in what was recorded before a run went on: where it started, and its best so far."""
        training = [row["value"] for row in evaluations if (row["split"], row["metric"]) == ("train", "loss")]
        self._start = max(training, default=math.nan)
        for row in evaluations:
            if (row["split"], row["metric"]) == ("validation", self._metric):
                self._take({"validation": {self._metric: row["value"]}}, row["epoch"])

    def see(self, snapshot: Snapshot) -> None:
        """Take in a snapshot."""
        self._last = snapshot
        for row in snapshot.rows:
            self._losses.append(row.loss)
        if snapshot.evaluation is not None:
            self._take(snapshot.evaluation, self.job.state.step / self.job.steps_per_epoch)
        if self._first is None:  # the first step also compiles, records and warms caches: it tells nothing of the rest
            self._first = self.job.state.step, time.perf_counter()

    def read(self) -> Reading | None:
        """Reckon up how things stand; None before the first snapshot."""
        if self._last is None or self._first is None:
            return None
        job, row = self.job, self._last.rows[-1]
        step = job.state.step
        self._extend(step)
        passed, taken = time.perf_counter() - self._first[1], step - self._first[0]
        rate = taken / passed if taken and passed > 0 else math.nan
        losses = list(self._losses)
        recent = [loss for loss in losses[-min(len(losses), 50) :] if math.isfinite(loss)]
        size = job.recipe.batch_size or 1
        return Reading(
            epoch=step / job.steps_per_epoch, epochs=job.recipe.epochs or 0, step=step, steps=job.num_steps,
            seconds=row.seconds, left=self._left(step, rate, seconds=row.seconds), per_second=rate,
            examples_per_second=rate * size, loss=statistics.fmean(recent) if recent else math.nan,
            curve=tuple(self._curve), metric=self._metric, value=self._value, best=self._best,
            best_epoch=self._best_epoch, lr=row.lr, grad_norm=row.grad_norm,
            health=health(losses, start=self._start, lowest=self._lowest),
        )  # fmt: skip

    def _left(self, step: int, rate: float, *, seconds: float) -> float:
        left = (self.job.num_steps - step) / rate if rate > 0 else math.nan
        budget = self.job.recipe.max_seconds
        return left if budget is None else min(left, max(budget - seconds, 0.0))

    def _take(self, evaluation: Mapping[str, Mapping[str, float]], epoch: float) -> None:
        values = evaluation.get("validation") or evaluation.get("train") or {}
        self._value = values.get(self._metric, math.nan)
        sign = 1 if better(self.job, self._metric) == "higher" else -1
        if not sign * self._value <= sign * self._best:
            self._best, self._best_epoch = self._value, epoch

    def _extend(self, step: int) -> None:
        """Bring the curve up to date; its points stand for ever more steps, so it spans the whole run."""
        new = min(step - self._seen, len(self._losses)) if self._seen else len(self._losses)
        self._seen = step
        self._waiting += [loss for loss in list(self._losses)[len(self._losses) - new :] if math.isfinite(loss)]
        size = int(self._chunk)
        while len(self._waiting) >= size:
            self._curve.append(statistics.fmean(self._waiting[:size]))
            del self._waiting[:size]
            if len(self._curve) >= 2 * _POINTS:
                pairs = zip(self._curve[::2], self._curve[1::2], strict=True)
                self._curve = [(one + other) / 2 for one, other in pairs]
                self._chunk *= 2
                size = int(self._chunk)
        recent = [loss for loss in list(self._losses)[-WINDOW // 2 :] if math.isfinite(loss)]
        if math.isnan(self._start) and recent:
            self._start = statistics.fmean(list(self._losses)[:20])
        if len(recent) >= WINDOW // 2:
            level = statistics.fmean(recent)
            self._lowest = level if math.isnan(self._lowest) else min(self._lowest, level)


def _metric(job: Job) -> str:
    """Return the metric to show: the task's first, which people think in, rather than the loss."""
    from thalweg.model import metrics_for

    return metrics_for(job.task)[0].name
