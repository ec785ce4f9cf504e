"""Running moments of the gradient: velocity, mean, root of the mean square, and one divided by another.

A denominator is a transformation like the others: it turns the gradient into what `Divide` divides by.
"""

import dataclasses
import functools
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, State, Transformation, scaled_sum
from thalweg.rules.scalars import either

EpsAt: TypeAlias = Literal["outside", "inside", "raw", "nowhere"]
"""Where eps stands: beside the corrected root, under it, beside the root before its correction, or not at all."""


def zeros_like(params: Params) -> Params:
    """Return zeros in the shape of each parameter."""
    return {name: torch.zeros_like(param) for name, param in params.items()}


def correction(rate: float | Tensor, step: Count) -> float | Tensor:
    """Return 1 - rate^(step + 1): the weight that an average started at zero has gathered so far."""
    count = step + 1
    return 1 - rate ** (count.double() if isinstance(count, Tensor) else count)  # float32 would lose five digits here


def averaged(old: Params, new: Params, beta: float | Tensor) -> Params:
    """Return beta old + (1 - beta) new for each tensor."""
    return {name: scaled_sum(value, 1 - beta, old[name] * beta) for name, value in new.items()}


def averaged_square(old: Params, new: Params, beta: float | Tensor) -> Params:
    """Return beta old + (1 - beta) new² for each tensor."""
    return {name: scaled_sum(value * value, 1 - beta, old[name] * beta) for name, value in new.items()}


def above_zero(value: Tensor) -> Tensor:
    """Return what may be divided by where there is no eps: never less than the smallest normal number."""
    return value.clamp(min=torch.finfo(value.dtype).tiny)


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
        if self.average and isinstance(rho, float):  # one operation for each average
            v = {name: state["velocity"][name].lerp(update, 1 - rho) for name, update in updates.items()}
            return {n: u.lerp(v[n], rho) for n, u in updates.items()} if self.nesterov else v, {"velocity": v}
        late = either(step > 0, hyper["dampening"], 0.0) if self.dampened else 0.0
        share = 1 - rho if self.average else 1 - late if self.dampened else None
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
        m = averaged(state["mean"], updates, beta)
        if not self.corrected:
            return m, {"mean": m}
        gathered = correction(beta, step)
        return {name: value / gathered for name, value in m.items()}, {"mean": m}


@dataclasses.dataclass(frozen=True)
class RootSquare(Transformation):
    """Give the root of the average square: s = beta s + (1 - beta) g²; sqrt(s / c) + eps, c = 1 - beta^t or 1.

    `eps_at` says where eps stands: sqrt(s / c) + eps, sqrt(s / c + eps), (sqrt(s) + eps) / sqrt(c), or nowhere.
    """

    beta: str = "beta2"
    corrected: bool = True
    eps_at: EpsAt = "outside"

    def init(self, params: Params) -> State:
        return {"square": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params
        s = averaged_square(state["square"], updates, hyper[self.beta])
        gathered = correction(hyper[self.beta], step) if self.corrected else None
        return rooted(s, hyper["eps"], self.eps_at, gathered), {"square": s}


def rooted(s: Params, eps: float | Tensor, at: EpsAt, gathered: float | Tensor | None) -> Params:
    """Return the root of each s / gathered, with eps at its place."""
    if at == "inside":
        return {name: ((value if gathered is None else value / gathered) + eps).sqrt() for name, value in s.items()}
    root = None if gathered is None else gathered**0.5
    if at == "raw":
        return {name: (value.sqrt() + eps) / (1.0 if root is None else root) for name, value in s.items()}
    if at == "outside":
        return {name: (value.sqrt() if root is None else value.sqrt() / root) + eps for name, value in s.items()}
    return {name: above_zero(value.sqrt() if root is None else value.sqrt() / root) for name, value in s.items()}


@dataclasses.dataclass(frozen=True)
class Divide(Transformation):
    """Divide what one transformation makes of the gradient by what another does; without `top`, the gradient itself."""

    by: Transformation
    top: Transformation | None = None

    def init(self, params: Params) -> State:
        slots = {} if self.top is None else self.top.init(params)
        return {**slots, **self.by.init(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        slots: State = {}
        top = updates
        if self.top is not None:
            top, slots = self.top.apply(updates, state, params, hyper, step)
        below, more = self.by.apply(updates, state, params, hyper, step)
        return {name: value / below[name] for name, value in top.items()}, {**slots, **more}


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
    eps_at: EpsAt = "outside"

    @functools.cached_property
    def parts(self) -> Divide:
        """What is divided by what."""
        mean = Mean(self.beta1, self.corrected) if self.beta1 else None
        return Divide(RootSquare(self.beta2, self.corrected, self.eps_at), mean)

    def init(self, params: Params) -> State:
        return self.parts.init(params)

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        return self.parts.apply(updates, state, params, hyper, step)
