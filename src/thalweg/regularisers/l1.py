"""The sum of absolute values, alone (L1) or with that of the squares (elastic net)."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.regularisers.base import Number, Penalty, Scaling, Step, Strength, in_the_precision_of


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class L1(Penalty):
    """Add the sum of the absolute weights to the loss, which drives most of them to 0.

    value = pull * sum(|w|)      pull = strength / num_examples (notes) or strength (plain)
    gradient = pull * sign(w), 0 at 0
    prox = sign(w) * max(|w| - length * pull, 0)

    With step="gradient" a weight that should be 0 swings about it by up to lr * pull; with step="proximal" it is 0
    exactly. Source: the notes 004; Tibshirani 1996; Daubechies, Defrise and De Mol 2004 (prox).

    >>> import torch
    >>> L1(strength=1.0).prox(torch.tensor([0.3, -0.05]), length=0.2, num_examples=2)
    tensor([0.2000, -0.0000])
    """

    name: ClassVar[str] = "l1"
    measures: ClassVar[tuple[str, ...]] = ("absolute",)
    strength: Strength = 1.0
    scaling: Scaling = "notes"
    step: Step = "gradient"

    def value(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        return (w.abs() * self.pull(w, num_examples, strength)).sum()

    def gradient(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        return w.sign() * self.pull(w, num_examples, strength)

    def prox(self, w: Tensor, *, length: Number, num_examples: int, strength: Number | None = None) -> Tensor:
        return _softened(w, in_the_precision_of(w, length * self.pull(w, num_examples, strength)))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ElasticNet(Penalty):
    """Add a mixture of the sums of absolute and of squared weights to the loss.

    value = pull * (l1_ratio * sum(|w|) + (1 - l1_ratio) / 2 * sum(w²))
    gradient = pull * (l1_ratio * sign(w) + (1 - l1_ratio) * w)
    prox = sign(w) * max(|w| - length * pull * l1_ratio, 0) / (1 + length * pull * (1 - l1_ratio))
    pull = strength / num_examples (notes) or strength (plain)

    l1_ratio=1 is L1, l1_ratio=0 is L2. Source: Zou and Hastie 2005, in the form of scikit-learn's ElasticNet.

    >>> import torch
    >>> ElasticNet(strength=4.0, l1_ratio=0.25).gradient(torch.tensor([2.0, 0.0]), num_examples=4)
    tensor([1.7500, 0.0000])
    """

    name: ClassVar[str] = "elastic-net"
    measures: ClassVar[tuple[str, ...]] = ("absolute", "square")
    strength: Strength = 1.0
    l1_ratio: Annotated[float, Knob("share of the absolute values in the penalty", "[0, 1]", low=0.0, high=1.0)] = 0.5
    scaling: Scaling = "notes"
    step: Step = "gradient"

    def value(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        each = w.abs() * self.l1_ratio + w.square() * ((1 - self.l1_ratio) / 2)
        return (each * self.pull(w, num_examples, strength)).sum()

    def gradient(self, w: Tensor, *, num_examples: int, strength: Number | None = None) -> Tensor:
        slope = w.sign() * self.l1_ratio + w * (1 - self.l1_ratio)
        return slope * self.pull(w, num_examples, strength)

    def prox(self, w: Tensor, *, length: Number, num_examples: int, strength: Number | None = None) -> Tensor:
        reach = in_the_precision_of(w, length * self.pull(w, num_examples, strength))
        return _softened(w, reach * self.l1_ratio) / (1 + reach * (1 - self.l1_ratio))


def _softened(w: Tensor, reach: Number) -> Tensor:
    return w.sign() * (w.abs() - reach).clamp(min=0)
