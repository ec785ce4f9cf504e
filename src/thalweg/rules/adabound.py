"""AdaBound: Adam whose rates are led, between two bounds, to the one rate of SGD."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import (
    Beta1,
    Beta2,
    Count,
    Epsilon,
    LearningRate,
    Placed,
    Rule,
    State,
    Transformation,
    WeightDecay,
    scaled_sum,
)
from thalweg.rules.decay import AddDecay
from thalweg.rules.layout import Layout, shares_of
from thalweg.rules.moments import Mean, correction, zeros_like
from thalweg.rules.scalars import counted


@final
@dataclasses.dataclass(frozen=True)
class BoundedRate(Placed):
    """Step along the average by a rate for each weight: lr over the root of its average square, kept in bounds.

    `largest` divides by the largest average square so far. `bare` is the paper's: no corrections, no eps, 1 / sqrt(t).
    """

    largest: bool = False
    bare: bool = False
    shares: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    def place(self, layout: Layout) -> Transformation:
        return dataclasses.replace(self, shares=shares_of(layout, "lr"))

    def init(self, params: Params) -> State:
        slots = {**Mean(corrected=False).init(params), "square": zeros_like(params)}
        return {**slots, "largest": zeros_like(params)} if self.largest else slots

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        beta2, t = hyper["beta2"], counted(step)
        m, slots = Mean(corrected=False).apply(updates, state, params, hyper, step)
        s = {name: scaled_sum(g * g, 1 - beta2, state["square"][name] * beta2) for name, g in updates.items()}
        slots = {**slots, "square": s}
        if self.largest:
            s = {name: torch.maximum(state["largest"][name], value) for name, value in s.items()}
            slots["largest"] = s
        final_lr = hyper["final_lr_ratio"] * hyper["lr"]
        low, high = (final_lr * (1 - 1 / (hyper["gamma"] * t + 1)), final_lr * (1 + 1 / (hyper["gamma"] * t)))
        lr = (
            hyper["lr"]
            if self.bare
            else hyper["lr"] * correction(beta2, step) ** 0.5 / correction(hyper["beta1"], step)
        )
        eps, slow = (0.0, t**0.5) if self.bare else (hyper["eps"], 1.0)
        change = {}
        for name, value in s.items():
            rate = (lr / (value.sqrt() + eps)).clamp(low, high)  # type: ignore[arg-type]  # both kinds do
            change[name] = -rate * m[name] * (self.shares.get(name, 1.0) / slow)
        return change, slots


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AdaBound(Rule):
    """Step as Adam does at first and as SGD in the end: each weight's rate lies in bounds that close in.

    m = beta1 * m + (1 - beta1) * g;  s = beta2 * s + (1 - beta2) * g²
    final = final_lr_ratio * lr;  low = final * (1 - 1 / (gamma * t + 1));  high = final * (1 + 1 / (gamma * t))
    rate = min(max(lr * sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(s) + eps), low), high);  params = params - rate * m

    `amsbound` takes the largest s so far. `weight_decay` is coupled. The final rate is told over lr, so that it moves
    with lr, as the authors' final_lr=0.1 beside lr=0.001 does. "torch" is the authors' PyTorch code; "paper" their
    algorithm: lr / sqrt(s) in bounds, over sqrt(t), without corrections and eps.

    Source: Luo et al. 2019, algorithms 2 and 3.

    >>> AdaBound(lr=0.001).hyper()["final_lr_ratio"]
    100.0
    """

    name: ClassVar[str] = "adabound"
    lr: LearningRate = 1e-3
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    final_lr_ratio: Annotated[float, Knob("rate at the end, over lr", "(0, inf)", low=1, high=1000, log=True)] = 100.0
    gamma: Annotated[float, Knob("how fast the bounds close", "(0, 1)", low=1e-4, high=1e-2, log=True)] = 1e-3
    eps: Epsilon = 1e-8
    amsbound: bool = False
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        return (AddDecay(), BoundedRate(largest=self.amsbound, bare=self.convention == "paper"))
