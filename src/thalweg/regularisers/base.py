"""Regularisers: what keeps a network from learning its training data by heart.

A `Penalty` is added to the loss, a `Constraint` mends the weights after a step, an `Augmentation` changes a batch
before it. All are pure. Dropout, label smoothing, early stopping and the averaging of weights live with the model, the
loss, the loop and the rules.

To add one: one file with a final dataclass under one of the three bases, and one import line in
`regularisers/__init__.py`; its line in `core/words/{en,zh}/regularisers.toml`; an oracle in `tests/regularisers`.
Axis letters: B batch, C channels, H height, W width, K classes.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor

from thalweg.core import Component, Knob, law

Number: TypeAlias = float | Tensor
"""One scalar: a number in a single run, a tensor of shape () under vmap."""
Strength = Annotated[float, Knob("weight of the penalty, lambda in the notes", "[0, inf)", low=1e-6, high=10, log=True)]
Scaling = Literal["notes", "plain"]
Step = Literal["gradient", "proximal"]
WEIGHTS = ("matrix", "embedding", "head")
"""Roles of parameters that are weights; biases and norms are left out, as in the notes (004)."""


class Regulariser(Component):
    """Be one of the three kinds of regulariser."""

    __slots__ = ()


class Penalty(Regulariser):
    """Add to the loss a number that grows with the weights.

    pull = strength / num_examples    scaling="notes": the notes' lambda / m, m the size of the training set
    pull = strength                   scaling="plain": what libraries call weight decay

    Elementwise, so that one flat tensor, a matrix and a member under vmap are treated alike. `strength` in a call takes
    the place of the field; it may be a tensor of shape (), or one like w with a strength for each weight.
    With step="gradient" training adds `gradient` to the gradient of the loss; with step="proximal" it calls `prox`
    after the rule's step instead.
    """

    __slots__ = ()
    strength: float
    scaling: Scaling
    step: Step
    roles: ClassVar[tuple[str, ...]] = WEIGHTS
    """Roles of the parameters that it is for; the caller leaves the others out."""
    measures: ClassVar[tuple[str, ...]]
    """What it sums, "square" or "absolute": two penalties of one measure are one penalty, set twice."""

    @abstractmethod
    def value(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        """Return what is added to the mean loss, shape ()."""

    @abstractmethod
    def gradient(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        """Return the gradient of `value`, like w; 0 where w is 0."""

    @abstractmethod
    def prox(self, w: Tensor, *, length: Number, num_examples: int, strength: Number | None = None) -> Tensor:
        """Return the u that minimises length * value(u) + sum((u - w)²) / 2, for a step of this length."""

    def pull(self, w: Tensor, num_examples: int, strength: Number | None) -> Number:
        """Return the factor of the formulas, in the precision of w."""
        if num_examples < 1:
            raise law(f"{type(self).__name__}(num_examples=...)", "must be 1 or more", num_examples)
        strength = self.strength if strength is None else strength
        return in_the_precision_of(w, strength / num_examples if self.scaling == "notes" else strength)


class Constraint(Regulariser):
    """Bring weights back into a set that they must not leave; applied after a step."""

    __slots__ = ()
    roles: ClassVar[tuple[str, ...]] = WEIGHTS
    """Roles of the parameters that it is for; the caller leaves the others out."""

    @abstractmethod
    def project(self, w: Tensor, *, bound: Number | None = None) -> Tensor:
        """Return the nearest point of the set, like w; `bound` takes the place of the constraint's own number."""


class Augmentation(Regulariser):
    """Change a training batch at random, in a way that leaves its meaning alone."""

    __slots__ = ()

    @abstractmethod
    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the changed batch; shape, precision and device of x stay, and everything random comes from `draw`.

        x is (B, ...) and no integer; y holds labels (B,), probabilities (B, K), or values. Who mixes examples needs
        `num_classes` for labels, and returns probabilities (B, K).
        """


def in_the_precision_of(w: Tensor, number: Number) -> Number:
    """Keep a float64 scalar from lifting a weight of shape (), or a sum, to its own precision."""
    return number.to(w.dtype) if isinstance(number, Tensor) else number
