"""RMSProp: each weight's step divided by the recent size of its gradient."""

import dataclasses
from typing import Annotated, ClassVar, final

from thalweg.core import Knob
from thalweg.rules.base import Epsilon, LearningRate, Rule, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay
from thalweg.rules.moments import MeanOverRootSquare
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RMSProp(Rule):
    """Divide the gradient by the root of its average square.

    s = alpha * s + (1 - alpha) * g²
    params = params - lr * g / (sqrt(s) + eps)

    eps stands outside the root, as in torch; optax and Keras put it inside.

    Source: Tieleman and Hinton 2012, lecture 6.5.

    >>> RMSProp(lr=0.01).hyper()["alpha"]
    0.99
    """

    name: ClassVar[str] = "rmsprop"
    lr: LearningRate = 1e-3
    alpha: Annotated[float, Knob("share of the average square kept at each step", "[0, 1)", low=0.9, high=0.999)] = 0.99
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0

    def chain(self) -> tuple[Transformation, ...]:
        return (AddDecay(), MeanOverRootSquare(beta1="", beta2="alpha", corrected=False), ByRate())
