"""Adadelta: each weight's step as long as its recent steps were."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Epsilon, LearningRate, Rule, State, Transformation, WeightDecay
from thalweg.rules.decay import with_decay
from thalweg.rules.moments import averaged_square, zeros_like
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True)
class LikeLastSteps(Transformation):
    """Give a step the unit of the weights: u = sqrt(d + eps) / sqrt(s + eps) * g; d is the average of u² before it."""

    def init(self, params: Params) -> State:
        return {"square": zeros_like(params), "step_square": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params, step
        rho, eps, d = hyper["rho"], hyper["eps"], state["step_square"]
        s = averaged_square(state["square"], updates, rho)
        u = {name: ((d[name] + eps) / (s[name] + eps)).sqrt() * g for name, g in updates.items()}
        return u, {"square": s, "step_square": averaged_square(d, u, rho)}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Adadelta(Rule):
    """Divide the root of the steps' average square by that of the gradient's, so that no rate is left to choose.

    s = rho * s + (1 - rho) * g²;  u = sqrt(d + eps) / sqrt(s + eps) * g;  d = rho * d + (1 - rho) * u²
    params = params - lr * u

    The first steps are about sqrt(eps) long. The libraries agree but for the decay: coupled, in "keras" decoupled.

    Source: Zeiler 2012, algorithm 1, which has no lr (1.0).

    >>> Adadelta().hyper()["rho"]
    0.9
    """

    name: ClassVar[str] = "adadelta"
    lr: LearningRate = 1.0
    rho: Annotated[float, Knob("share of the average squares kept at each step", "[0, 1)", low=0.8, high=0.99)] = 0.9
    eps: Epsilon = 1e-6
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        return (*with_decay(LikeLastSteps(), apart=self.convention == "keras"), ByRate())
