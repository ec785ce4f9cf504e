"""Metrics: what a trained network is judged by, summed exactly over any batches in float64.

A metric is a small accumulator, made fresh for each pass over the data: `update(outputs, targets)` for each
batch, then `value()`, which is NaN before the first example. To add one: a class here and its name in
`metrics_for`. Axis letters: B batch, L positions, K classes, T values to predict.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from thalweg.core import UnknownName, UsageError
from thalweg.model.losses import TASKS, align


class Metric(ABC):
    """Accumulate sums over batches and make one number of them."""

    __slots__ = ("sums",)
    name: ClassVar[str]
    better: ClassVar[Literal["higher", "lower"]]
    sums: Tensor | None
    """What was summed so far, float64 on the device of the outputs; None before the first batch."""

    def __init__(self) -> None:
        self.sums = None

    @torch.no_grad()
    def update(self, outputs: Tensor, targets: Tensor) -> None:
        """Take in a batch; how examples were cut into batches changes nothing but the rounding."""
        found = self.measure(outputs, targets)
        self.sums = found if self.sums is None else self.merge(self.sums, found)

    def value(self) -> float:
        """Return the metric of everything taken in so far."""
        return math.nan if self.sums is None else float(self.finish(self.sums))

    @abstractmethod
    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the sums of one batch."""

    @abstractmethod
    def finish(self, sums: Tensor) -> Tensor:
        """Make the number out of the sums."""

    def merge(self, one: Tensor, other: Tensor) -> Tensor:
        return one + other


class Accuracy(Metric):
    """Take the share of labels that the largest output names (for a single output: that its sign names)."""

    __slots__ = ()
    name = "accuracy"
    better = "higher"

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        hits = predicted(outputs, targets) == targets
        return _sums(hits.sum(), hits.numel())

    def finish(self, sums: Tensor) -> Tensor:
        return sums[0] / sums[1]


class MacroF1(Metric):
    """Average over classes 2 * hits / (named + true), without classes that were neither named nor true."""

    __slots__ = ()
    name = "macro_f1"
    better = "higher"

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        named, true = predicted(outputs, targets).flatten().long(), targets.flatten().long()
        num_classes = max(2, outputs.shape[-1] if outputs.ndim > targets.ndim else 2)
        classes = torch.arange(num_classes, device=named.device)
        is_named, is_true = (labels[:, None] == classes for labels in (named, true))  # (B, K): vmap has no bincount
        return torch.stack([(is_named & is_true).sum(0), is_named.sum(0), is_true.sum(0)]).to(torch.float64)

    def finish(self, sums: Tensor) -> Tensor:
        hits, named, true = sums
        seen = named + true > 0
        each = 2 * hits / torch.where(seen, named + true, 1.0)
        mean: Tensor = each.sum() / seen.sum()
        return mean


class MeanAbsoluteError(Metric):
    """Average |outputs - targets|."""

    __slots__ = ()
    name = "mae"
    better = "lower"

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        errors = _errors(outputs, targets)
        return _sums(errors.abs().sum(), errors.numel())

    def finish(self, sums: Tensor) -> Tensor:
        return sums[0] / sums[1]


class RootMeanSquaredError(Metric):
    """Take the square root of the mean of (outputs - targets)²."""

    __slots__ = ()
    name = "rmse"
    better = "lower"

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        errors = _errors(outputs, targets)
        return _sums(errors.square().sum(), errors.numel())

    def finish(self, sums: Tensor) -> Tensor:
        return (sums[0] / sums[1]).sqrt()


class R2(Metric):
    """Take the share of the targets' variance that is explained, averaged over outputs.

    value = 1 - sum (outputs - targets)² / sum (targets - mean(targets))²

    Constant targets give 1 if they are met exactly, else 0. Batches are merged without the loss of digits of
    a sum of squares. Source: Chan, Golub and LeVeque 1979 (merging).
    """

    __slots__ = ()
    name = "r2"
    better = "higher"

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        errors, truth = _errors(outputs, targets), targets.to(torch.float64)
        errors, truth = (x.reshape(len(targets), -1) for x in (errors, truth))
        mean = truth.mean(0)
        count = torch.full_like(mean, len(truth))
        return torch.stack([count, mean, (truth - mean).square().sum(0), errors.square().sum(0)])

    def merge(self, one: Tensor, other: Tensor) -> Tensor:
        count = one[0] + other[0]
        gap = other[1] - one[1]
        mean = one[1] + gap * other[0] / count
        spread = one[2] + other[2] + gap.square() * one[0] * other[0] / count
        return torch.stack([count, mean, spread, one[3] + other[3]])

    def finish(self, sums: Tensor) -> Tensor:
        _, _, spread, missed = sums
        constant = torch.where(missed > 0, 0.0, 1.0)
        return torch.where(spread > 0, 1 - missed / spread, torch.where(missed.isnan(), missed, constant)).mean()


class Perplexity(Metric):
    """Take exp of the mean cross-entropy: among how many equally likely tokens the network hesitates."""

    __slots__ = ()
    name = "perplexity"
    better = "lower"

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _surprise(outputs, targets)

    def finish(self, sums: Tensor) -> Tensor:
        return (sums[0] / sums[1]).exp()


class BitsPerToken(Metric):
    """Take the mean cross-entropy in bits: bits per character where tokens are characters."""

    __slots__ = ()
    name = "bits"
    better = "lower"

    def measure(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _surprise(outputs, targets)

    def finish(self, sums: Tensor) -> Tensor:
        return sums[0] / sums[1] / math.log(2)


_FOR_TASK: dict[str, tuple[type[Metric], ...]] = {
    "classification": (Accuracy, MacroF1),
    "regression": (R2, MeanAbsoluteError, RootMeanSquaredError),
    "language": (Perplexity, BitsPerToken, Accuracy),
}


def metrics_for(task: str) -> list[Metric]:
    """Return fresh metrics of a task, the one to select by first.

    >>> [metric.name for metric in metrics_for("regression")]
    ['r2', 'mae', 'rmse']
    """
    if task not in _FOR_TASK:
        raise UnknownName("task", task, TASKS)
    return [metric() for metric in _FOR_TASK[task]]


def predicted(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the class that outputs name, in the targets' shape; a single output is a logit of class 1."""
    if outputs.ndim == targets.ndim + 1 and outputs.shape[-1] > 1:
        return outputs.argmax(-1)
    logits = align(outputs, targets)
    if logits is None:
        raise _mismatch("Accuracy", outputs, targets)
    return (logits > 0).to(torch.int64)


def _errors(outputs: Tensor, targets: Tensor) -> Tensor:
    values = align(outputs, targets)
    if values is None:
        raise _mismatch("A metric of values", outputs, targets)
    return values.to(torch.float64) - targets.to(torch.float64)


def _surprise(outputs: Tensor, targets: Tensor) -> Tensor:
    labels = targets.flatten()
    scores = outputs.reshape(len(labels), -1).to(torch.float64)
    return _sums(F.cross_entropy(scores, labels, reduction="sum"), len(labels))


def _sums(total: Tensor, count: int) -> Tensor:
    return torch.stack([total.to(torch.float64), torch.full_like(total, count, dtype=torch.float64)])


def _mismatch(call: str, outputs: Tensor, targets: Tensor) -> UsageError:
    shapes = f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}"
    return UsageError(f"{call} needs outputs that belong to the targets, got {shapes}; give one row for each example.")
