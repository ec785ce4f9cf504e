"""LARS: a rate for each layer, in proportion to its weights."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

from thalweg.core import Knob, law
from thalweg.rules.base import Epsilon, LearningRate, Momentum, Rule, Transformation, WeightDecay
from thalweg.rules.layout import WEIGHTS
from thalweg.rules.moments import Velocity
from thalweg.rules.rate import ByRate
from thalweg.rules.split import ByRole
from thalweg.rules.trust import LocalRate

TrustCoefficient = Annotated[
    float, Knob("share of its length a layer may move", "(0, inf)", low=1e-4, high=1, log=True)
]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LARS(Rule):
    """Give each layer a rate in proportion to the length of its weights over that of its gradient.

    u = (g + weight_decay * params) * trust_coefficient * |params| / (|g| + weight_decay * |params| + eps)
    v = momentum * v + lr * u
    params = params - v

    `convention="optax"` divides by |g + weight_decay * params|. Biases, norms and single vectors step as SGD does,
    without ratio and decay; `trust_on="all"` treats them like the rest. You et al. take 0.001 with rates above 1, which
    is too much for those.

    Source: You, Gitman and Ginsburg 2017, algorithm 1, which has no eps.

    >>> LARS(lr=0.1).trust_coefficient
    0.05
    """

    name: ClassVar[str] = "lars"
    lr: LearningRate = 0.1
    momentum: Momentum = 0.9
    nesterov: bool = False
    trust_coefficient: TrustCoefficient = 0.05
    eps: Epsilon = 0.0
    weight_decay: WeightDecay = 5e-4
    trust_on: Literal["weights", "all"] = "weights"
    convention: Literal["paper", "optax"] = "paper"

    def check(self) -> None:
        if self.nesterov and not self.momentum:
            raise law("LARS(nesterov=True)", "needs a momentum above 0", self.momentum, "Set momentum=0.9, say.")

    def chain(self) -> tuple[Transformation, ...]:
        trusted = LocalRate(together=self.convention == "optax")
        speed = (ByRate(), Velocity(nesterov=self.nesterov))
        if self.trust_on == "all":
            return (trusted, *speed)
        return (ByRole(chosen=(trusted,), others=(), roles=WEIGHTS), *speed)
