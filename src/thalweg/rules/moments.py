"""Running moments of the gradient: velocity, mean, mean square."""

import dataclasses

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, State, Transformation, scaled_sum


def zeros_like(params: Params) -> Params:
    """Return zeros in the shape of each parameter."""
    return {name: torch.zeros_like(param) for name, param in params.items()}


def correction(rate: float | Tensor, step: Count) -> float | Tensor:
    """Return 1 - rate^(step + 1): the weight that an average started at zero has gathered so far."""
    count = step + 1
    return 1 - rate ** (count.double() if isinstance(count, Tensor) else count)  # float32 would lose five digits here


@dataclasses.dataclass(frozen=True)
class Velocity(Transformation):
    """Gather speed: v = rho v + g, or v = rho v + (1 - rho) g as an average; with Nesterov's look ahead g + rho v.

    `dampened` takes (1 - dampening) g, but for the first. Source: Polyak 1964; Sutskever et al. 2013 for Nesterov's
    form, as torch has it.
    """

    rho: str = "momentum"
    average: bool = False
    nesterov: bool = False
    dampened: bool = False

    def init(self, params: Params) -> State:
        return {"velocity": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params
        rho = hyper[self.rho]
        share = 1 - rho if self.average else 1 - hyper["dampening"] * (step > 0) if self.dampened else None
        g = updates if share is None else {name: update * share for name, update in updates.items()}
        v = {name: scaled_sum(state["velocity"][name], rho, g[name]) for name in g}
        ahead = {name: scaled_sum(v[name], rho, g[name]) for name in g} if self.nesterov else v
        return ahead, {"velocity": v}


@dataclasses.dataclass(frozen=True)
class Mean(Transformation):
    """Average the gradient: m = beta m + (1 - beta) g; corrected for its start at zero: m / (1 - beta^t)."""

    beta: str = "beta1"
    corrected: bool = True

    def init(self, params: Params) -> State:
        return {"mean": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params
        beta = hyper[self.beta]
        m = {name: scaled_sum(g, 1 - beta, state["mean"][name] * beta) for name, g in updates.items()}
        if not self.corrected:
            return m, {"mean": m}
        gathered = correction(beta, step)
        return {name: value / gathered for name, value in m.items()}, {"mean": m}


@dataclasses.dataclass(frozen=True)
class MeanOverRootSquare(Transformation):
    """Average, and divide by the root of the average square: (m / c1) / (sqrt(s / c2) + eps).

    s = beta2 s + (1 - beta2) g²; m = beta1 m + (1 - beta1) g, or m = g where `beta1` is empty;
    c1 = 1 - beta1^t and c2 = 1 - beta2^t undo the start at zero where `corrected`.

    Source: Kingma and Ba 2015, algorithm 1; without mean and correction it is RMSProp (Tieleman and Hinton 2012).
    """

    beta1: str = "beta1"
    beta2: str = "beta2"
    corrected: bool = True

    def init(self, params: Params) -> State:
        slots = {"square": zeros_like(params)}
        return {"mean": zeros_like(params), **slots} if self.beta1 else slots

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        beta2, eps = hyper[self.beta2], hyper["eps"]
        top, slots = (
            Mean(self.beta1, self.corrected).apply(updates, state, params, hyper, step) if self.beta1 else (updates, {})
        )
        s = {name: scaled_sum(g * g, 1 - beta2, state["square"][name] * beta2) for name, g in updates.items()}
        root = correction(beta2, step) ** 0.5 if self.corrected else 1.0
        scaled = {name: top[name] / (value.sqrt() / root + eps) for name, value in s.items()}
        return scaled, {**slots, "square": s}
