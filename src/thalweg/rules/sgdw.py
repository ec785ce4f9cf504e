"""SGD with momentum whose decay stands apart from the velocity."""

import dataclasses
from typing import ClassVar, Literal, final

from thalweg.core import law
from thalweg.rules.base import LearningRate, Momentum, Rule, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay, PullApart
from thalweg.rules.moments import Velocity
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SGDW(Rule):
    """Step along a velocity that has not seen the decay.

    v = momentum * v + g;     params = params - lr * (v + weight_decay * params)       convention="torch"
    v = momentum * v + lr * g;  params = params - v - lr * weight_decay * params       convention="paper"

    The two are one while lr stays. The paper writes the decay without lr: its lambda is lr * weight_decay here.

    Source: Loshchilov and Hutter 2019, algorithm 1.

    >>> SGDW(lr=0.1).hyper()["momentum"]
    0.9
    """

    name: ClassVar[str] = "sgdw"
    lr: LearningRate = 0.1
    momentum: Momentum = 0.9
    nesterov: bool = False
    weight_decay: WeightDecay = 5e-4
    convention: Literal["torch", "paper"] = "torch"

    def check(self) -> None:
        if self.nesterov and not self.momentum:
            raise law("SGDW(nesterov=True)", "needs a momentum above 0", self.momentum, "Set momentum=0.9, say.")

    def chain(self) -> tuple[Transformation, ...]:
        speed = (Velocity(nesterov=self.nesterov),) if self.momentum else ()
        return (ByRate(), *speed, PullApart()) if self.convention == "paper" else (*speed, AddDecay(), ByRate())
