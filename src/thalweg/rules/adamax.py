"""Adamax: Adam with the largest recent gradient in place of the root of the average square."""

import dataclasses
from typing import ClassVar, Final, Literal, final

import torch

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Beta1, Beta2, Count, Epsilon, LearningRate, Rule, State, Transformation, WeightDecay
from thalweg.rules.decay import with_decay
from thalweg.rules.moments import Divide, EpsAt, Mean, above_zero, zeros_like
from thalweg.rules.rate import ByRate

_EPS_AT: Final[dict[str, EpsAt]] = {"torch": "inside", "optax": "inside", "keras": "outside", "paper": "nowhere"}


@final
@dataclasses.dataclass(frozen=True)
class Peak(Transformation):
    """Give the largest gradient, the past fading: u = max(beta2 u, |g| + eps), or eps beside it, or nowhere."""

    eps_at: EpsAt = "inside"

    def init(self, params: Params) -> State:
        return {"peak": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params, step
        beta2, eps = hyper["beta2"], hyper["eps"]
        sizes = {name: g.abs() for name, g in updates.items()}
        if self.eps_at == "inside":
            sizes = {name: size + eps for name, size in sizes.items()}
        u = {name: torch.maximum(state["peak"][name] * beta2, size) for name, size in sizes.items()}
        if self.eps_at == "outside":
            return {name: value + eps for name, value in u.items()}, {"peak": u}
        return {name: above_zero(value) for name, value in u.items()} if self.eps_at == "nowhere" else u, {"peak": u}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Adamax(Rule):
    """Divide the average gradient by the largest recent one.

    m = beta1 * m + (1 - beta1) * g;  u = max(beta2 * u, |g| + eps)
    params = params - lr * (m / (1 - beta1^t)) / u

    "keras" has u = max(beta2 * u, |g|) and divides by u + eps, "paper" has no eps. `weight_decay` is coupled, in
    "keras" decoupled.

    Source: Kingma and Ba 2015, algorithm 2.

    >>> Adamax().lr
    0.002
    """

    name: ClassVar[str] = "adamax"
    lr: LearningRate = 2e-3
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        step = Divide(Peak(_EPS_AT[self.convention]), Mean())
        return (*with_decay(step, apart=self.convention == "keras"), ByRate())
