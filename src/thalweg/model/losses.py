"""Losses: one value an example, so that means over windows and members stay exact; for training, a fused
mean.

To add one: a final dataclass here with `compute`, `total` and `check_shapes`, and one import line in
`model/__init__.py`. Axis letters: B batch, L positions, K classes.
"""

import dataclasses
from abc import abstractmethod
from typing import Annotated, ClassVar, final

import torch.nn.functional as F
from torch import Tensor

from thalweg.core import Component, Knob, UnknownName, UsageError

TASKS = ("classification", "regression", "language")


class Loss(Component):
    """Measure how far outputs are from targets."""

    __slots__ = ()

    @abstractmethod
    def compute(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each example, shape (B,)."""

    @abstractmethod
    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the batch, shape (), by torch's fused function."""

    @abstractmethod
    def check_shapes(self, outputs: Tensor, targets: Tensor, num_classes: int | None = None) -> None:
        """Raise `UsageError` with both shapes and the cure unless these belong together; reads the labels."""

    def mean(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of `compute`, shape ()."""
        return self.compute(outputs, targets).mean()


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CrossEntropy(Loss):
    """Take -log of the softmax probability of the class, for outputs (B, K) and labels (B,).

    loss = -sum_k q_k * log(softmax(outputs)_k)
    q = (1 - label_smoothing) * onehot(targets) + label_smoothing / K

    Outputs (B, L, K) with labels (B, L) give the mean over an example's positions. Targets of the outputs' shape are
    probabilities, as mixup makes them, and stand in the place of onehot(targets).
    Source: Szegedy et al. 2016, section 7 (smoothing).
    """

    name: ClassVar[str] = "cross-entropy"
    label_smoothing: Annotated[
        float, Knob("share of the target spread over all classes", "[0, 1)", low=0.0, high=0.2)
    ] = 0.0

    def compute(self, outputs: Tensor, targets: Tensor) -> Tensor:
        scores, labels = _rows(outputs, targets)
        each = F.cross_entropy(scores, labels, reduction="none", label_smoothing=self.label_smoothing)
        return _per_example(each.view(outputs.shape[:-1]))

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        scores, labels = _rows(outputs, targets)
        return F.cross_entropy(scores, labels, label_smoothing=self.label_smoothing)

    def check_shapes(self, outputs: Tensor, targets: Tensor, num_classes: int | None = None) -> None:
        soft = targets.is_floating_point() and targets.ndim > 1 and outputs.shape == targets.shape
        if not soft:
            _check_labels(self, outputs, targets)
        if num_classes is not None and outputs.shape[-1] != num_classes:
            reason = f"needs an output for each of the {num_classes} classes"
            raise _mismatch(self, outputs, targets, reason, f"Build the model with num_outputs={num_classes}.")
        if soft:
            _check_probabilities(self, outputs, targets)
        elif targets.numel() and (int(targets.min()) < 0 or int(targets.max()) >= outputs.shape[-1]):
            low, high = int(targets.min()), int(targets.max())
            reason = f"needs labels from 0 to {outputs.shape[-1] - 1}, got {low} to {high}"
            raise _mismatch(self, outputs, targets, reason, "Number the classes from 0, one output for each.")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BCE(Loss):
    """Take the binary cross-entropy of logits: (B,), (B, 1) or (B, K) yes-or-no questions against 0 and 1.

    loss = softplus(outputs) - outputs * targets
    """

    name: ClassVar[str] = "bce"

    def compute(self, outputs: Tensor, targets: Tensor) -> Tensor:
        scores, answers = _paired(self, outputs, targets)
        return _per_example(F.binary_cross_entropy_with_logits(scores, answers, reduction="none"))

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(*_paired(self, outputs, targets))

    def check_shapes(self, outputs: Tensor, targets: Tensor, num_classes: int | None = None) -> None:
        _paired(self, outputs, targets)
        if targets.numel() and (targets.min() < 0 or targets.max() > 1):
            reason = f"needs targets from 0 to 1, got {targets.min().item():g} to {targets.max().item():g}"
            raise _mismatch(self, outputs, targets, reason, "Use CrossEntropy() for more than two classes.")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MSE(Loss):
    """Take the squared error, (outputs - targets)², averaged over an example's outputs."""

    name: ClassVar[str] = "mse"

    def compute(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _per_example(F.mse_loss(*_paired(self, outputs, targets), reduction="none"))

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.mse_loss(*_paired(self, outputs, targets))

    def check_shapes(self, outputs: Tensor, targets: Tensor, num_classes: int | None = None) -> None:
        _paired(self, outputs, targets)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MAE(Loss):
    """Take the absolute error, |outputs - targets|, averaged over an example's outputs."""

    name: ClassVar[str] = "mae"

    def compute(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return _per_example(F.l1_loss(*_paired(self, outputs, targets), reduction="none"))

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.l1_loss(*_paired(self, outputs, targets))

    def check_shapes(self, outputs: Tensor, targets: Tensor, num_classes: int | None = None) -> None:
        _paired(self, outputs, targets)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Huber(Loss):
    """Take half the squared error near 0 and a line beyond `delta`, averaged over an example's outputs.

    e = |outputs - targets|;  loss = e² / 2 if e <= delta else delta * (e - delta / 2)

    Source: Huber 1964.
    """

    name: ClassVar[str] = "huber"
    delta: Annotated[
        float, Knob("error from which the loss grows in a line", "(0, inf)", low=0.1, high=10.0, log=True)
    ] = 1.0

    def compute(self, outputs: Tensor, targets: Tensor) -> Tensor:
        values, truth = _paired(self, outputs, targets)
        return _per_example(F.huber_loss(values, truth, reduction="none", delta=self.delta))

    def total(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return F.huber_loss(*_paired(self, outputs, targets), delta=self.delta)

    def check_shapes(self, outputs: Tensor, targets: Tensor, num_classes: int | None = None) -> None:
        _paired(self, outputs, targets)


def loss_for(task: str, num_outputs: int) -> Loss:
    """Return the loss of a task: cross-entropy for classes (BCE for a single output), MSE for values.

    >>> loss_for("classification", 10)
    CrossEntropy(label_smoothing=0.0)
    """
    if task not in TASKS:
        raise UnknownName("task", task, TASKS)
    if task == "regression":
        return MSE()
    return BCE() if task == "classification" and num_outputs == 1 else CrossEntropy()


def align(outputs: Tensor, targets: Tensor) -> Tensor | None:
    """Return outputs in the targets' shape if only a last axis of length 1 sets them apart, else None."""
    if outputs.shape == targets.shape:
        return outputs
    if outputs.shape == (*targets.shape, 1):
        return outputs.squeeze(-1)
    if targets.shape == (*outputs.shape, 1):
        return outputs.unsqueeze(-1)
    return None


def _paired(loss: Loss, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    aligned = align(outputs, targets)
    if aligned is None or aligned.ndim == 0:
        cure = "Give one value for each example and output; broadcasting would compare each example with all"
        raise _mismatch(loss, outputs, targets, "needs outputs and targets of one shape", f"{cure}.")
    return aligned, targets.to(aligned.dtype)


def _rows(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Lay positions out as rows; targets of the outputs' shape are probabilities and keep their last axis."""
    if targets.is_floating_point():
        targets = targets.to(outputs.dtype)
    if outputs.ndim == 2:
        return outputs, targets
    return outputs.flatten(0, -2), targets.flatten(0, -2) if targets.ndim == outputs.ndim else targets.flatten()


def _check_labels(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    if targets.is_floating_point():
        cure = "Convert the targets with .long()"
        if targets.ndim > 1 and targets.shape[:-1] == outputs.shape[:-1] and targets.shape[-1] > 1:
            cure = "Give probabilities in the outputs' own shape"
        raise _mismatch(loss, outputs, targets, "needs whole labels", f"{cure}.")
    if outputs.shape[:-1] != targets.shape or outputs.ndim < 2:
        cure = "Give labels (B,) to outputs (B, K), or (B, L) to (B, L, K)"
        if targets.shape == (*outputs.shape[:-1], 1):
            cure = "Drop the last axis of the targets with squeeze(-1)"
        raise _mismatch(loss, outputs, targets, "needs one label for each row of outputs", f"{cure}.")


def _check_probabilities(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    sums = targets.float().sum(-1)
    if targets.numel() and not (targets.min() >= 0 and (sums - 1).abs().max() <= 0.01):
        low, high, least = sums.min().item(), sums.max().item(), targets.min().item()
        reason = f"needs probabilities of sum 1, got sums from {low:g} to {high:g} and a smallest of {least:g}"
        raise _mismatch(loss, outputs, targets, reason, "Give labels, or use MSE() for values.")


def _per_example(each: Tensor) -> Tensor:
    return each if each.ndim == 1 else each.flatten(1).mean(1)


def _mismatch(loss: Loss, outputs: Tensor, targets: Tensor, reason: str, cure: str) -> UsageError:
    shapes = f"outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}"
    return UsageError(f"`{type(loss).__name__}` {reason}, got {shapes}. {cure}")
