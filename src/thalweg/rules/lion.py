"""Lion: the sign of an average."""

import dataclasses
from typing import ClassVar, final

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Beta1, Beta2, Count, LearningRate, Rule, State, Transformation, WeightDecay, scaled_sum
from thalweg.rules.decay import AddDecay
from thalweg.rules.moments import zeros_like
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True)
class SignOfMean(Transformation):
    """Take the sign of the average mixed with the gradient, and only then move the average: two betas, one slot."""

    def init(self, params: Params) -> State:
        return {"mean": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params, step
        beta1, beta2, m = hyper["beta1"], hyper["beta2"], state["mean"]
        mixed = {name: scaled_sum(g, 1 - beta1, m[name] * beta1) for name, g in updates.items()}
        signs = {name: c.sign().where(c == c, c) for name, c in mixed.items()}  # torch's sign of NaN is 0
        return signs, {"mean": {name: scaled_sum(g, 1 - beta2, m[name] * beta2) for name, g in updates.items()}}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lion(Rule):
    """Step by the same length in each weight, in the direction of the sign of an average.

    u = sign(beta1 * m + (1 - beta1) * g);  m = beta2 * m + (1 - beta2) * g
    params = params - lr * (u + weight_decay * params)

    Its rate is three to ten times smaller than AdamW's, its decay as much larger.

    Source: Chen et al. 2023, algorithm 2.

    >>> Lion().hyper()["beta2"]
    0.99
    """

    name: ClassVar[str] = "lion"
    lr: LearningRate = 1e-4
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.99
    weight_decay: WeightDecay = 0.0

    def chain(self) -> tuple[Transformation, ...]:
        return (SignOfMean(), AddDecay(), ByRate())
