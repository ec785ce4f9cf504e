"""Schedule-free descent: an average of the path takes the place of a falling rate."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import (
    Beta2,
    Count,
    Epsilon,
    Judged,
    LearningRate,
    Placed,
    Rule,
    State,
    Transformation,
    WeightDecay,
)
from thalweg.rules.decay import AddDecay
from thalweg.rules.layout import Layout, shares_of
from thalweg.rules.moments import MeanOverRootSquare, correction
from thalweg.rules.scalars import counted, greatest, least, number

Between = Annotated[float, Knob("share of the average in the point that trains", "(0, 1)", low=0.5, high=0.99)]
Power = Annotated[float, Knob("power of the largest rate so far in a point's weight", "[0, inf)", low=0, high=2)]
CountPower = Annotated[float, Knob("power of the step count in a point's weight", "[0, inf)", low=0, high=1)]
Warmup = Annotated[int, Knob("steps over which the rate rises from zero", "[0, inf)", low=0, high=1000, unit="steps")]


@final
@dataclasses.dataclass(frozen=True)
class ScheduleFree(Judged, Placed):
    """Turn updates into changes of y, a point between the path z and its average x; z is a slot, x is what is judged.

    rate = lr * min(1, t / warmup_steps);  w = t^r * max(rate so far)^weight_lr_power;  c = w / sum(w so far)
    z = z - rate * u;  x = (1 - c) * x + c * z;  y = (1 - beta) * z + beta * x

    x is not kept: x = y + (1 - 1 / beta) * (z - y). `rooted` puts Adam's correction sqrt(1 - beta2^t) into the rate and
    so into the weights, as in the paper's algorithm.
    """

    beta: str = "momentum"
    rooted: bool = False
    shares: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    def place(self, layout: Layout) -> Transformation:
        return dataclasses.replace(self, shares=shares_of(layout, "lr"))

    def init(self, params: Params) -> State:
        start = {name: param.clone() for name, param in params.items()}
        return {"z": start, "lr_max": {"all": number(0.0, params)}, "weight_sum": {"all": number(0.0, params)}}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        beta, t = hyper[self.beta], counted(step)
        rate = hyper["lr"] * least(t / greatest(hyper["warmup_steps"], 1.0), 1.0)
        if self.rooted:
            rate = rate * correction(hyper["beta2"], step) ** 0.5
        largest = number(greatest(state["lr_max"]["all"], rate), params)
        weight = number(t ** hyper["r"] * largest ** hyper["weight_lr_power"], params)
        total = state["weight_sum"]["all"] + weight
        c = torch.where(total == 0, 0.0, weight / total).to(total.dtype)
        back = rate * (1 - beta + beta * c)
        change, path = {}, {}
        for name, u in updates.items():
            z, share = state["z"][name], self.shares.get(name, 1.0)
            path[name] = z - u * (rate * share)
            change[name] = (z - params[name]) * c - u * (back * share)
        return change, {"z": path, "lr_max": {"all": largest}, "weight_sum": {"all": total}}

    def evaluation(self, params: Params, state: State, hyper: Hyper) -> Params:
        back = 1 - 1 / hyper[self.beta]
        return {name: y + (state["z"][name] - y) * back for name, y in params.items()}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleFreeSGD(Rule):
    """Step along a path and average it, with no schedule: gradients are taken between the path and its average.

    g = gradient at y + weight_decay * y
    z = z - lr * g;  x = (1 - c) * x + c * z;  y = (1 - momentum) * z + momentum * x

    c is this step's share of all weights so far, a weight being t^r * (largest lr so far)^weight_lr_power; lr rises
    over `warmup_steps`. The parameters hold y; x is what is judged and kept. Statistics of batch norm belong to y.

    Source: Defazio et al. 2024, equations 3 to 5 and section 4; their package `schedulefree` is the same.

    >>> ScheduleFreeSGD(lr=1.0, warmup_steps=100).momentum
    0.9
    """

    name: ClassVar[str] = "schedule-free-sgd"
    needs_no_schedule: ClassVar[bool] = True
    lr: LearningRate = 1.0
    momentum: Between = 0.9
    warmup_steps: Warmup = 0
    weight_lr_power: Power = 2.0
    r: CountPower = 0.0
    weight_decay: WeightDecay = 0.0

    def chain(self) -> tuple[Transformation, ...]:
        return (AddDecay(), ScheduleFree("momentum"))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleFreeAdamW(Rule):
    """Follow Adam's scaling along a path and average it, with no schedule.

    s = beta2 * s + (1 - beta2) * g²;  u = g / (sqrt(s / (1 - beta2^t)) + eps) + weight_decay * y
    z = z - lr * u;  x = (1 - c) * x + c * z;  y = (1 - beta1) * z + beta1 * x

    The rest is as in `ScheduleFreeSGD`. `convention="torch"` is the authors' package `schedulefree`; in "paper" the
    correction is part of the rate, lr * sqrt(1 - beta2^t), and so of c and the decay. Keras, with c = 1 / t, is
    `weight_lr_power=0` but for its decay, which moves y alone.

    Source: Defazio et al. 2024, algorithm 1.

    >>> ScheduleFreeAdamW().weight_lr_power
    2.0
    """

    name: ClassVar[str] = "schedule-free-adamw"
    needs_no_schedule: ClassVar[bool] = True
    lr: LearningRate = 5e-3
    beta1: Between = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    warmup_steps: Warmup = 0
    weight_lr_power: Power = 2.0
    r: CountPower = 0.0
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        rooted = self.convention == "paper"
        return (MeanOverRootSquare(beta1="", corrected=not rooted), AddDecay(), ScheduleFree("beta1", rooted=rooted))
