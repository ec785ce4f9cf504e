"""Prodigy: Adam whose rate is found from how far the weights have come."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, ClassVar, final

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
)
from thalweg.rules.layout import Layout, shares_of
from thalweg.rules.moments import correction, zeros_like
from thalweg.rules.scalars import either, number

Beta3 = Annotated[float | None, Knob("share of the estimate kept at each step", "[0, 1)", low=0.9, high=0.9999)]
D0 = Annotated[float, Knob("first guess of the distance to the solution", "(0, inf)", low=1e-8, high=1e-2, log=True)]
DCoef = Annotated[float, Knob("multiplier of the estimated distance", "(0, inf)", low=0.1, high=10, log=True)]
Growth = Annotated[
    float | None, Knob("largest growth of the distance in a step", "(1, inf)", low=1.02, high=10, log=True)
]


@final
@dataclasses.dataclass(frozen=True)
class ByDistance(Placed):
    """Take Adam's step with the estimated distance d as its rate: see `Prodigy`."""

    corrected: bool = False
    safeguarded: bool = False
    rates: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)
    decays: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    def place(self, layout: Layout) -> Transformation:
        return dataclasses.replace(self, rates=shares_of(layout, "lr"), decays=shares_of(layout, "weight_decay"))

    def init(self, params: Params) -> State:
        slots: State = {slot: zeros_like(params) for slot in ("mean", "square", "slope")}
        start = {name: param.clone() for name, param in params.items()}
        return {**slots, "start": start, **{n: {"all": number(0.0, params)} for n in ("d", "d_max", "progress")}}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        beta1, beta2 = hyper["beta1"], hyper["beta2"]
        d0 = number(hyper["d0"], params)
        old_d, old_max = (number(either(step == 0, d0, state[slot]["all"]), params) for slot in ("d", "d_max"))
        rate = number(old_d * hyper["lr"] * (self._correction(beta1, beta2, step) if self.corrected else 1.0), params)
        beta3, growth = hyper.get("beta3", beta2**0.5), old_d / d0
        weight = growth * (old_d if self.safeguarded else rate)
        m = {n: state["mean"][n] * beta1 + g * (old_d * (1 - beta1)) for n, g in updates.items()}
        v = {n: state["square"][n] * beta2 + g * g * (old_d * old_d * (1 - beta2)) for n, g in updates.items()}
        s = {n: state["slope"][n] * beta3 + g * weight for n, g in updates.items()}
        gone = torch.stack([(g * (state["start"][n] - params[n])).sum() for n, g in updates.items()]).sum()
        progress = number(state["progress"]["all"] * beta3 + gone * growth * rate, params)
        length = torch.stack([slope.abs().sum() for slope in s.values()]).sum()
        d, d_max = self._estimate(progress / length, d0, old_d, old_max, hyper)
        still = length == 0
        d, d_max = torch.where(still, old_d, d), torch.where(still, old_max, d_max)
        progress = torch.where(still, state["progress"]["all"], progress)
        change = {n: self._change(n, m[n] / (v[n].sqrt() + d * hyper["eps"]), params, hyper, rate) for n in updates}
        change = {n: torch.where(still, torch.zeros_like(c), c) for n, c in change.items()}
        slots = {"mean": m, "square": v, "slope": s}
        return change, {**slots, "d": {"all": d}, "d_max": {"all": d_max}, "progress": {"all": progress}}

    def _correction(self, beta1: float | Tensor, beta2: float | Tensor, step: Count) -> float | Tensor:
        return correction(beta2, step) ** 0.5 / correction(beta1, step)

    def _estimate(self, seen: Tensor, d0: Tensor, d: Tensor, d_max: Tensor, hyper: Hyper) -> tuple[Tensor, Tensor]:
        """Return the distance and the largest one seen: it never falls, and grows by `growth_rate` at most."""
        seen = (seen * hyper["d_coef"]).to(d.dtype)
        first = torch.where(d == d0, torch.maximum(d, seen), d)
        largest = torch.maximum(d_max, seen)
        bound = hyper.get("growth_rate")
        return largest if bound is None else torch.minimum(largest, (first * bound).to(d.dtype)), largest

    def _change(self, name: str, step: Tensor, params: Params, hyper: Hyper, rate: Tensor) -> Tensor:
        pulled = step + params[name] * (hyper["weight_decay"] * self.decays.get(name, 1.0))
        return pulled * (-rate * self.rates.get(name, 1.0))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Prodigy(Rule):
    """Step as AdamW does, with a rate found from how far the weights have come against how steep the way was.

    m = beta1 * m + (1 - beta1) * d * g;  s = beta2 * s + (1 - beta2) * d² * g²
    p = beta3 * p + d / d0 * rate * <g, start - params>;  q = beta3 * q + d / d0 * rate * g;  rate = d * lr
    params = params - rate * (m / (sqrt(s) + d' * eps) + weight_decay * params)
    d' = max(d, d_coef * p / |q|_1), but at most growth_rate * d

    beta3 is sqrt(beta2), and growth_rate has no bound, where they are None. Leave lr = 1 and let a schedule move it.
    `bias_correction` multiplies the rate by sqrt(1 - beta2^t) / (1 - beta1^t), as optax always does;
    `safeguard_warmup` takes d for the rate in q.

    Source: Mishchenko and Defazio 2024, algorithm 4, by the authors' package `prodigyopt`.

    >>> Prodigy().lr
    1.0
    """

    name: ClassVar[str] = "prodigy"
    lr: LearningRate = 1.0
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    beta3: Beta3 = None
    eps: Epsilon = 1e-8
    d0: D0 = 1e-6
    d_coef: DCoef = 1.0
    growth_rate: Growth = None
    weight_decay: WeightDecay = 0.0
    bias_correction: bool = False
    safeguard_warmup: bool = False

    def chain(self) -> tuple[Transformation, ...]:
        return (ByDistance(self.bias_correction, self.safeguard_warmup),)
