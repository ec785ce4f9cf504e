"""SGD with momentum whose decay stands apart from the velocity."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal, final

from torch import Tensor

from thalweg.core import law
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, LearningRate, Momentum, Placed, Rule, State, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay
from thalweg.rules.layout import Layout, shares_of
from thalweg.rules.moments import Velocity
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True)
class PullApart(Placed):
    """Pull the weights to zero beside a change that is finished: change - lr * weight_decay * params."""

    shares: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    def place(self, layout: Layout) -> Transformation:
        rates, decays = shares_of(layout, "lr"), shares_of(layout, "weight_decay")
        return PullApart({name: rates.get(name, 1.0) * decays.get(name, 1.0) for name in layout})

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, step
        pull = hyper["lr"] * hyper["weight_decay"]
        return {n: change - params[n] * (pull * self.shares.get(n, 1.0)) for n, change in updates.items()}, {}


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
