"""Stochastic gradient descent, with momentum in both conventions and Nesterov's look ahead."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

from thalweg.core import Knob, law
from thalweg.rules.base import LearningRate, Momentum, Rule, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay, PullApart
from thalweg.rules.moments import Velocity
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SGD(Rule):
    """Step against the gradient, or along a velocity that gathers it.

    v = momentum * v + (1 - dampening) * g    velocity="sum" (torch, the 2017 course notes)
    v = momentum * v + (1 - momentum) * g     velocity="average" (the optimisation notes)
    params = params - lr * v

    With velocity="average" the same path needs a rate 1 / (1 - momentum) times as large. As in torch, the first
    gradient is not dampened. In "keras" and "paper" lr stands inside the velocity, v = momentum * v + lr * g and params
    = params - v, which is the same while lr stays; optax's is torch's. `weight_decay` is coupled, in "keras" decoupled.

    Source: Robbins and Monro 1951; Polyak 1964; Nesterov 1983 in the form of Sutskever et al. 2013.

    >>> SGD(lr=0.1, momentum=0.9).hyper()
    {'lr': 0.1, 'momentum': 0.9, 'dampening': 0.0, 'weight_decay': 0.0}
    """

    name: ClassVar[str] = "sgd"
    lr: LearningRate = 0.1
    momentum: Momentum = 0.0
    dampening: Annotated[float, Knob("share of the gradient kept out of the velocity", "[0, 1)", low=0.0, high=0.9)] = (
        0.0
    )
    velocity: Literal["sum", "average"] = "sum"
    nesterov: bool = False
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def check(self) -> None:
        if self.nesterov and not self.momentum:
            raise law("SGD(nesterov=True)", "needs a momentum above 0", self.momentum, "Set momentum=0.9, say.")
        if self.dampening and (self.nesterov or self.velocity == "average" or not self.momentum):
            cure = "Leave dampening out."
            raise law("SGD(dampening=...)", "needs a plain momentum with velocity='sum'", self.dampening, cure)
        if self.dampening and self.convention != "torch":
            raise law("SGD(dampening=...)", "is torch's alone", self.convention, "Leave dampening out.")

    def chain(self) -> tuple[Transformation, ...]:
        average = self.velocity == "average"
        steps = (Velocity(average=average, nesterov=self.nesterov, dampened=bool(self.dampening)),)
        speed = steps if self.momentum else ()
        if self.convention == "keras":
            return (ByRate(), *speed, PullApart())
        return (AddDecay(), ByRate(), *speed) if self.convention == "paper" else (AddDecay(), *speed, ByRate())
