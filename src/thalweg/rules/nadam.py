"""NAdam: Adam with Nesterov's look ahead."""

import dataclasses
from typing import Annotated, ClassVar, Final, Literal, final

from torch import Tensor

from thalweg.core import Knob, law
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import (
    Beta1,
    Beta2,
    Count,
    Epsilon,
    LearningRate,
    Rule,
    State,
    Transformation,
    WeightDecay,
    scaled_sum,
)
from thalweg.rules.decay import with_decay
from thalweg.rules.moments import Divide, Mean, RootSquare, averaged, correction
from thalweg.rules.rate import ByRate
from thalweg.rules.scalars import counted, number

MomentumDecay = Annotated[
    float | None, Knob("how fast mu rises to beta1", "[0, inf)", low=1e-3, high=1.0, log=True, unit="1/steps")
]

_PACE: Final = {"torch": 4e-3, "keras": 1.0, "paper": 4e-3}


@final
@dataclasses.dataclass(frozen=True)
class MeanAhead(Transformation):
    """Average the gradient and look a step ahead: beta m / (1 - beta^(t + 1)) + (1 - beta) g / (1 - beta^t)."""

    beta: str = "beta1"

    def init(self, params: Params) -> State:
        return Mean(self.beta).init(params)

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        beta = hyper[self.beta]
        m, slots = Mean(self.beta, corrected=False).apply(updates, state, params, hyper, step)
        kept, new = beta / correction(beta, step + 1), (1 - beta) / correction(beta, step)
        return {name: scaled_sum(g, new, m[name] * kept) for name, g in updates.items()}, slots


@final
@dataclasses.dataclass(frozen=True)
class MeanAheadByPlan(Transformation):
    """Look ahead by a momentum that rises to beta1: mu_t = beta1 (1 - 0.96^(t * pace) / 2).

    mu_(t+1) m / (1 - p mu_(t+1)) + (1 - mu_t) g / (1 - p), p the product of all mu so far; `whole` averages with mu_t,
    too: m = mu_t m + (1 - mu_t) g in place of beta1.
    """

    pace: float
    whole: bool = False

    def init(self, params: Params) -> State:
        return {**Mean().init(params), "product": {"all": number(1.0, params)}}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        mu, ahead = self._momentum(hyper, step), self._momentum(hyper, step + 1)
        m = averaged(state["mean"], updates, mu if self.whole else hyper["beta1"])
        product = number(state["product"]["all"] * mu, params)
        kept, new = ahead / (1 - product * ahead), (1 - mu) / (1 - product)
        return {name: m[name] * kept + g * new for name, g in updates.items()}, {
            "mean": m,
            "product": {"all": product},
        }

    def _momentum(self, hyper: Hyper, step: Count) -> float | Tensor:
        pace = hyper.get("momentum_decay", self.pace)
        return hyper["beta1"] * (1 - 0.5 * 0.96 ** (counted(step) * pace))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NAdam(Rule):
    """Step as Adam does, along an average that already has its next step's share of the momentum.

    mu_t = beta1 * (1 - 0.96^(t * momentum_decay) / 2);  p = mu_1 * ... * mu_t
    m = beta1 * m + (1 - beta1) * g;  s = beta2 * s + (1 - beta2) * g²
    u = mu_(t+1) * m / (1 - p * mu_(t+1)) + (1 - mu_t) * g / (1 - p)
    params = params - lr * u / (sqrt(s / (1 - beta2^t)) + eps)

    `momentum_decay` None is 0.004, and 1 in "keras". "paper" has mu_t for beta1 in m; "optax" keeps mu_t = beta1.
    `weight_decay` is coupled unless `decoupled_weight_decay`, as it always is in "keras".

    Source: Dozat 2016, algorithm 2; his report of 2015, algorithm 8, is "torch".

    >>> NAdam().lr
    0.002
    """

    name: ClassVar[str] = "nadam"
    lr: LearningRate = 2e-3
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    momentum_decay: MomentumDecay = None
    weight_decay: WeightDecay = 0.0
    decoupled_weight_decay: bool = False
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def check(self) -> None:
        if self.momentum_decay is not None and self.convention == "optax":
            cure = "Leave it out, or take another convention."
            raise law("NAdam(momentum_decay=...)", "has no part in optax's rule", self.momentum_decay, cure)

    def chain(self) -> tuple[Transformation, ...]:
        ahead: Transformation = MeanAhead()
        if self.convention != "optax":
            ahead = MeanAheadByPlan(_PACE[self.convention], whole=self.convention == "paper")
        apart = self.decoupled_weight_decay or self.convention == "keras"
        return (*with_decay(Divide(RootSquare(), ahead), apart=apart), ByRate())
