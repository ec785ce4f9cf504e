"""SAM: the gradient at the worst point nearby."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.around import Around
from thalweg.rules.base import Count, Rule, SecondPoint, State, Transformation
from thalweg.rules.clip import global_norm


@final
@dataclasses.dataclass(frozen=True)
class Ascend(SecondPoint):
    """Ask for the gradient `rho` further up the slope: rho * g / |g|, or scaled by the weights where `adaptive`."""

    adaptive: bool = False

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params, hyper, step
        return updates, {}

    def offset(self, grads: Params, params: Params, hyper: Hyper) -> Params:
        steep = {name: g * params[name].abs() for name, g in grads.items()} if self.adaptive else grads
        norm = global_norm(steep)
        share = torch.where(norm == 0, 0.0, hyper["rho"] / norm).to(norm.dtype)
        if self.adaptive:
            steep = {name: g * params[name].abs() for name, g in steep.items()}
        return {name: g * share for name, g in steep.items()}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SAM(Around):
    """Give the rule the gradient at the worst point within `rho`, for a flat minimum; costs two gradients a step.

    g = gradient at params + rho * g / |g|, |g| over all parameters together

    `adaptive=True` measures the distance in units of the weights (ASAM): rho * params² * g / |params * g|. Nothing is
    added to |g|; where it is zero, the gradient at params stays.

    Source: Foret et al. 2021, algorithm 1; Kwon et al. 2021, equation 5.

    >>> SAM(rule="sgd", rho=0.05).lr
    0.1
    """

    name: ClassVar[str] = "sam"
    rule: Rule
    rho: Annotated[float, Knob("distance to the worst point nearby", "(0, inf)", low=0.01, high=2, log=True)] = 0.05
    adaptive: bool = False

    def chain(self) -> tuple[Transformation, ...]:
        return (Ascend(self.adaptive), *self.rule.chain())
