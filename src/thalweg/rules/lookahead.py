"""Lookahead: fast steps, after which slow weights follow a part of the way."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.around import Around
from thalweg.rules.averages import check_one_average
from thalweg.rules.base import Count, Judged, Rule, State, Transformation


@final
@dataclasses.dataclass(frozen=True)
class FollowSlowly(Judged):
    """Every `sync_steps` steps let the slow weights follow the fast ones, and put the fast ones there."""

    def init(self, params: Params) -> State:
        return {"slow": {name: param.clone() for name, param in params.items()}}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        due = (step + 1) % hyper["sync_steps"] == 0
        if due is False:
            return updates, {}
        slow, alpha, change, followed = state["slow"], hyper["slow_share"], {}, {}
        for name, update in updates.items():
            ahead = slow[name] + (params[name] + update - slow[name]) * alpha
            if due is True:
                change[name], followed[name] = ahead - params[name], ahead
            else:
                change[name] = torch.where(due, ahead - params[name], update)
                followed[name] = torch.where(due, ahead, slow[name])
        return change, {"slow": followed}

    def evaluation(self, params: Params, state: State, hyper: Hyper) -> Params:
        del params, hyper
        return state["slow"]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lookahead(Around):
    """Let slow weights follow the weights that a rule trains, every `sync_steps` steps, by `slow_share` of the way.

    slow = slow + slow_share * (params - slow);  params = slow

    What the rule inside remembers stays. The slow weights are the ones to be judged.

    Source: Zhang et al. 2019, algorithm 1 (k, alpha).

    >>> Lookahead(rule="adam").hyper()["slow_share"]
    0.5
    """

    name: ClassVar[str] = "lookahead"
    rule: Rule
    sync_steps: Annotated[int, Knob("steps between two follow-ups", "[1, inf)", low=5, high=10, unit="steps")] = 5
    slow_share: Annotated[float, Knob("share of the way that the slow weights go", "(0, 1]", low=0.2, high=0.8)] = 0.5

    def check(self) -> None:
        check_one_average(self)

    def chain(self) -> tuple[Transformation, ...]:
        return (*self.rule.chain(), FollowSlowly())
