"""Adafactor: Adam with a factored second moment and steps in proportion to the weights."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, LearningRate, Placed, Rule, State, Transformation, WeightDecay
from thalweg.rules.factored import BoundRootMeanSquare, OverFactoredRoot, root_mean_square
from thalweg.rules.layout import Layout, shares_of
from thalweg.rules.scalars import counted, greatest, least

Decay2 = Annotated[float, Knob("power of t by which the newest square counts", "(-inf, 0)", low=-1.0, high=-0.5)]
Eps1 = Annotated[float | None, Knob("keeps the average square above zero", "(0, inf)", low=1e-30, high=1e-6, log=True)]
Eps2 = Annotated[float, Knob("least length of a parameter to go by", "[0, inf)", low=1e-6, high=0.1, log=True)]
Threshold = Annotated[float, Knob("largest root mean square of an update", "(0, inf)", low=0.1, high=10, log=True)]


@final
@dataclasses.dataclass(frozen=True)
class ByRelativeRate(Placed):
    """Multiply by the rate times the length of the parameter, turn round, and add the decay: see `Adafactor`."""

    relative_step: bool
    scale_parameter: bool
    convention: Literal["torch", "optax", "keras", "paper"]
    rates: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)
    decays: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    flat: ClassVar[bool] = False

    def place(self, layout: Layout) -> Transformation:
        return dataclasses.replace(self, rates=shares_of(layout, "lr"), decays=shares_of(layout, "weight_decay"))

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state
        rho = least(hyper["lr"], counted(step) ** -0.5) if self.relative_step else hyper["lr"]
        pull = hyper["weight_decay"] * (1.0 if self.convention == "optax" else hyper["lr"])
        change = {}
        for name, u in updates.items():
            rate, theta = self.rates.get(name, 1.0), params[name]
            shrink = pull * self.decays.get(name, 1.0) * (1.0 if self.convention == "optax" else rate)
            alpha = rho * rate
            if self.scale_parameter:
                kept = theta * (1 - shrink) if self.convention == "keras" else theta
                alpha = greatest(root_mean_square(kept), hyper["eps2"]) * alpha
            change[name] = -(u * alpha + theta * shrink)
        return change, {}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Adafactor(Rule):
    """Step in proportion to the weights, by a second moment that of a matrix keeps only row and column means.

    R = (1 - w) * R + w * rowmeans(g²);  C likewise by columns;  w = t^beta2_decay
    u = g / sqrt(R * C / mean(R));  u = u / max(1, rms(u) / clip_threshold)
    params = params - min(lr, 1 / sqrt(t)) * max(eps2, rms(params)) * u - lr * weight_decay * params

    eps1 stands inside: "torch" bounds mean(R) and the square by it (the precision's eps if None), the others add it to
    g² (1e-30 if None). "keras" takes rms(params) after the decay. "optax" factors the two largest axes, not the last
    two, and does not multiply the decay by lr; its rate is that of `relative_step=False`. `factored=False` keeps every
    square, as optax does where a side is below 128.

    Source: Shazeer and Stern 2018, algorithm 4, which has lr = 0.01 and no decay.

    >>> Adafactor().hyper()["lr"]
    0.01
    """

    name: ClassVar[str] = "adafactor"
    lr: LearningRate = 0.01
    beta2_decay: Decay2 = -0.8
    eps1: Eps1 = None
    eps2: Eps2 = 1e-3
    clip_threshold: Threshold = 1.0
    weight_decay: WeightDecay = 0.0
    factored: bool = True
    relative_step: bool = True
    scale_parameter: bool = True
    convention: Literal["torch", "optax", "keras", "paper"] = "paper"

    def chain(self) -> tuple[Transformation, ...]:
        root = OverFactoredRoot(self.convention == "torch", self.convention == "optax", self.factored)
        rate = ByRelativeRate(self.relative_step, self.scale_parameter, self.convention)
        return (root, BoundRootMeanSquare(), rate)
