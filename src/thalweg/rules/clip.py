"""Clipping: no number of the gradient, or not the gradient as a whole, larger than a bound."""

import dataclasses
from typing import Annotated, ClassVar, Final, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.around import Around
from thalweg.rules.base import Count, Rule, State, Transformation


@dataclasses.dataclass(frozen=True)
class BoundNumbers(Transformation):
    """Cut each number off: min(max(g, -clip_value), clip_value)."""

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params, step
        bound = hyper["clip_value"]
        return {name: g.clamp(-bound, bound) for name, g in updates.items()}, {}  # type: ignore[arg-type]  # both kinds do


@dataclasses.dataclass(frozen=True)
class BoundNorm(Transformation):
    """Shorten the gradient of all parameters together: g * min(1, clip_norm / (|g| + margin))."""

    margin: float = 0.0

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params, step
        share = (hyper["clip_norm"] / (global_norm(updates) + self.margin)).clamp(max=1.0)
        return {name: g * share.to(g.dtype) for name, g in updates.items()}, {}


@dataclasses.dataclass(frozen=True)
class BoundEachNorm(Transformation):
    """Shorten the gradient of each parameter by itself."""

    margin: float = 0.0
    flat: ClassVar[bool] = False

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        whole, shortened = BoundNorm(self.margin), {}
        for name, g in updates.items():
            shortened.update(whole.apply({name: g}, state, params, hyper, step)[0])
        return shortened, {}


def global_norm(named: Params) -> Tensor:
    """Return the Euclidean norm of all tensors together, shape ()."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(t) for t in named.values()]))
    return norm


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClipValue(Around):
    """Cut every number of the gradient off at `clip_value` before the rule sees it.

    g = min(max(g, -clip_value), clip_value)

    Turns the direction of the gradient. Source: Mikolov 2012, section 3.2.2.

    >>> ClipValue(rule="sgd", clip_value=1.0).hyper()["clip_value"]
    1.0
    """

    name: ClassVar[str] = "clip-value"
    rule: Rule
    clip_value: Annotated[float, Knob("largest number of a gradient", "(0, inf)", low=0.01, high=10, log=True)] = 1.0

    def chain(self) -> tuple[Transformation, ...]:
        return (BoundNumbers(), *self.rule.chain())


_MARGIN: Final = {"torch": 1e-6, "optax": 0.0, "keras": 0.0, "paper": 0.0}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClipNorm(Around):
    """Shorten a gradient longer than `clip_norm` to that length before the rule sees it.

    g = g * min(1, clip_norm / |g|), |g| over all parameters together, or with `each` over each one alone

    Keeps the direction (with `each`, that within a parameter). "torch" divides by |g| + 1e-6; the others are one.

    Source: Pascanu et al. 2013, algorithm 1.

    >>> ClipNorm(rule="sgd", clip_norm=1.0).lr
    0.1
    """

    name: ClassVar[str] = "clip-norm"
    rule: Rule
    clip_norm: Annotated[float, Knob("largest norm of the gradient", "(0, inf)", low=0.01, high=100, log=True)] = 1.0
    each: bool = False
    convention: Literal["torch", "optax", "keras", "paper"] = "paper"

    def chain(self) -> tuple[Transformation, ...]:
        margin = _MARGIN[self.convention]
        return (BoundEachNorm(margin) if self.each else BoundNorm(margin), *self.rule.chain())
