"""The sum of squares: L2 over all weights, Frobenius over the matrices of the layers."""

import dataclasses
from typing import ClassVar, final

from torch import Tensor

from thalweg.regularisers.base import Number, Penalty, Scaling, Step, Strength, in_the_precision_of


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class L2(Penalty):
    """Add half the sum of the squared weights to the loss.

    value = pull / 2 * sum(w²)      pull = strength / num_examples (notes) or strength (plain)
    gradient = pull * w
    prox = w / (1 + length * pull)

    Under plain gradient descent this is weight decay: w shrinks by 1 - lr * pull in each step. Under rules with
    moments it is not, since the moments see it (AdamW's decay stands apart from them). Source: the notes 004; Hoerl and
    Kennard 1970; Krogh and Hertz 1991.

    >>> import torch
    >>> L2(strength=2.0).gradient(torch.tensor([1.0, -3.0]), num_examples=4)
    tensor([ 0.5000, -1.5000])
    """

    name: ClassVar[str] = "l2"
    measures: ClassVar[tuple[str, ...]] = ("square",)
    strength: Strength = 1.0
    scaling: Scaling = "notes"
    step: Step = "gradient"

    def value(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        return _squares(w, self.pull(w, num_examples, strength))

    def gradient(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        return w * self.pull(w, num_examples, strength)

    def prox(self, w: Tensor, *, length: Number, num_examples: int, strength: Number | None = None) -> Tensor:
        return _shrunk(w, length, self.pull(w, num_examples, strength))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Frobenius(Penalty):
    """Add half the squared Frobenius norm of each layer's matrix to the loss.

    value = pull / 2 * sum over layers of sum(w²)      pull = strength / num_examples (notes) or strength (plain)
    gradient = pull * w
    prox = w / (1 + length * pull)

    The same numbers as L2, over the matrices and filters of the layers only: a table of embeddings, which is looked up
    and never multiplied with, is left out. Source: the notes 004.

    >>> import torch
    >>> Frobenius(strength=1.0).value(torch.tensor([[3.0, 4.0]]), num_examples=5)
    tensor(2.5000)
    """

    name: ClassVar[str] = "frobenius"
    roles: ClassVar[tuple[str, ...]] = ("matrix", "head")
    measures: ClassVar[tuple[str, ...]] = ("square",)
    strength: Strength = 1.0
    scaling: Scaling = "notes"
    step: Step = "gradient"

    def value(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        return _squares(w, self.pull(w, num_examples, strength))

    def gradient(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        return w * self.pull(w, num_examples, strength)

    def prox(self, w: Tensor, *, length: Number, num_examples: int, strength: Number | None = None) -> Tensor:
        return _shrunk(w, length, self.pull(w, num_examples, strength))


def _squares(w: Tensor, pull: Number) -> Tensor:
    return (w.square() * pull).sum() / 2


def _shrunk(w: Tensor, length: Number, pull: Number) -> Tensor:
    return w / in_the_precision_of(w, 1 + length * pull)
