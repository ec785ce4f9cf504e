"""Stochastic gradient descent, with momentum in both conventions and Nesterov's look ahead."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

from thalweg.core import Knob, law
from thalweg.rules.base import LearningRate, Rule, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay
from thalweg.rules.moments import Velocity


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SGD(Rule):
    """Step against the gradient, or along a velocity that gathers it.

    v = momentum * v + g                      velocity="sum" (torch, the 2017 course notes)
    v = momentum * v + (1 - momentum) * g     velocity="average" (the optimisation notes)
    params = params - lr * v

    With velocity="average" the same path needs a rate 1 / (1 - momentum) times as large.

    Source: Robbins and Monro 1951; Polyak 1964; Nesterov 1983 in the form of Sutskever et al. 2013.

    >>> SGD(lr=0.1, momentum=0.9).hyper()
    {'lr': 0.1, 'momentum': 0.9, 'weight_decay': 0.0}
    """

    name: ClassVar[str] = "sgd"
    lr: LearningRate = 0.1
    momentum: Annotated[float, Knob("share of the velocity kept at each step", "[0, 1)", low=0.5, high=0.99)] = 0.0
    velocity: Literal["sum", "average"] = "sum"
    nesterov: bool = False
    weight_decay: WeightDecay = 0.0

    def check(self) -> None:
        if self.nesterov and not self.momentum:
            raise law("SGD(nesterov=True)", "needs a momentum above 0", self.momentum, "Set momentum=0.9, say.")

    def chain(self) -> tuple[Transformation, ...]:
        speed = (Velocity(average=self.velocity == "average", nesterov=self.nesterov),) if self.momentum else ()
        return (AddDecay(), *speed)
