"""AMSGrad: Adam whose denominator never falls."""

import dataclasses
from typing import ClassVar, Literal, final

import torch

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Beta1, Beta2, Count, Epsilon, LearningRate, Rule, State, Transformation, WeightDecay
from thalweg.rules.decay import with_decay
from thalweg.rules.moments import Divide, EpsAt, Mean, averaged_square, correction, rooted, zeros_like
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True)
class RootOfLargest(Transformation):
    """Give the root of the largest average square so far: l = max(l, s), s = beta2 s + (1 - beta2) g².

    `of_corrected` takes the largest of s / (1 - beta2^t); else l is corrected, where `corrected`.
    """

    corrected: bool = True
    of_corrected: bool = False
    eps_at: EpsAt = "outside"

    def init(self, params: Params) -> State:
        return {"square": zeros_like(params), "largest": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params
        beta2 = hyper["beta2"]
        s = averaged_square(state["square"], updates, beta2)
        gathered = correction(beta2, step) if self.corrected else None
        seen = s
        if self.of_corrected and gathered is not None:
            seen, gathered = {name: value / gathered for name, value in s.items()}, None
        largest = {name: torch.maximum(state["largest"][name], value) for name, value in seen.items()}
        return rooted(largest, hyper["eps"], self.eps_at, gathered), {"square": s, "largest": largest}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AMSGrad(Rule):
    """Step as Adam does, but divide by the root of the largest average square so far.

    m = beta1 * m + (1 - beta1) * g;  s = beta2 * s + (1 - beta2) * g²;  l = max(l, s)
    params = params - lr * (m / (1 - beta1^t)) / (sqrt(l / (1 - beta2^t)) + eps)

    "optax" has l = max(l, s / (1 - beta2^t)) and then no correction of l; "keras" (sqrt(l) + eps) / sqrt(1 - beta2^t);
    "paper" neither correction nor eps. `weight_decay` is coupled unless `decoupled_weight_decay`, as it always is in
    "keras"; torch has this rule as Adam and AdamW with amsgrad=True.

    Source: Reddi et al. 2018, algorithm 2.

    >>> AMSGrad().hyper()["lr"]
    0.001
    """

    name: ClassVar[str] = "amsgrad"
    lr: LearningRate = 1e-3
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0
    decoupled_weight_decay: bool = False
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        bare = self.convention == "paper"
        eps_at: EpsAt = "nowhere" if bare else "raw" if self.convention == "keras" else "outside"
        root = RootOfLargest(not bare, self.convention == "optax", eps_at)
        apart = self.decoupled_weight_decay or self.convention == "keras"
        return (*with_decay(Divide(root, Mean(corrected=not bare)), apart=apart), ByRate())
