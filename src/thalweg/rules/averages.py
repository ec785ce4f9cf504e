"""Averages of the weights along the path, to be judged in place of the last ones."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob, law
from thalweg.core.types import Hyper, Params
from thalweg.rules.around import Around
from thalweg.rules.base import Count, Judged, Rule, State, Transformation, scaled_sum
from thalweg.rules.moments import zeros_like
from thalweg.rules.scalars import either, number


@final
@dataclasses.dataclass(frozen=True)
class AverageRecent(Judged):
    """Keep an exponential average of the weights, with the weight it has gathered: a / w is what is judged."""

    copies_first: bool = False

    def init(self, params: Params) -> State:
        return {"average": zeros_like(params), "gathered": {"all": number(0.0, params)}}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        decay: float | Tensor = hyper["average_decay"]
        if self.copies_first:
            decay = either(step == 0, 0.0, decay)
        average = {
            name: scaled_sum(params[name] + change, 1 - decay, state["average"][name] * decay)
            for name, change in updates.items()
        }
        gathered = number(state["gathered"]["all"] * decay + (1 - decay), params)
        return updates, {"average": average, "gathered": {"all": gathered}}

    def evaluation(self, params: Params, state: State, hyper: Hyper) -> Params:
        del hyper
        gathered = state["gathered"]["all"]
        return {n: torch.where(gathered == 0, param, state["average"][n] / gathered) for n, param in params.items()}


@final
@dataclasses.dataclass(frozen=True)
class AverageAlike(Judged):
    """Keep the plain mean of the weights after every `swa_every` steps from `swa_start` on."""

    def init(self, params: Params) -> State:
        return {"average": zeros_like(params), "count": {"all": number(0.0, params)}}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        since = step + 1 - hyper["swa_start"]
        due = (since > 0) & (since % hyper["swa_every"] == 0)
        if due is False:
            return updates, {}
        count = state["count"]["all"] + 1
        average = {}
        for name, change in updates.items():
            before = state["average"][name]
            after = before + (params[name] + change - before) / count
            average[name] = after if due is True else torch.where(due, after, before)
        seen = count if due is True else torch.where(due, count, count - 1)
        return updates, {"average": average, "count": {"all": seen}}

    def evaluation(self, params: Params, state: State, hyper: Hyper) -> Params:
        del hyper
        count = state["count"]["all"]
        return {name: torch.where(count == 0, param, state["average"][name]) for name, param in params.items()}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EMA(Around):
    """Judge an exponential average of the weights; training goes on as without it.

    a = average_decay * a + (1 - average_decay) * params;  judged = a / (1 - average_decay^t)

    The division undoes the start at zero, as the notes do for any running average. start="first" begins with the
    weights after the first step in place of zero, as torch's AveragedModel and Keras' use_ema do.

    Source: Polyak and Juditsky 1992; Kingma and Ba 2015, section 7.2 (the correction).

    >>> EMA(rule="adamw").hyper()["average_decay"]
    0.999
    """

    name: ClassVar[str] = "ema"
    rule: Rule
    average_decay: Annotated[float, Knob("share of the average kept at each step", "[0, 1)", low=0.9, high=0.9999)] = (
        0.999
    )
    start: Literal["corrected", "first"] = "corrected"

    def check(self) -> None:
        check_one_average(self)

    def chain(self) -> tuple[Transformation, ...]:
        return (*self.rule.chain(), AverageRecent(copies_first=self.start == "first"))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SWA(Around):
    """Judge the plain mean of the weights at regular steps from `swa_start` on; training goes on as without it.

    n = n + 1;  a = a + (params - a) / n    after step t where t > swa_start and (t - swa_start) % swa_every == 0

    Until the first of these, the present weights are judged. Meant for the last part of a run, at a rate that does not
    fall to zero. Statistics of batch norms are taken anew for the mean, by the loop.

    Source: Izmailov et al. 2018, algorithm 1 (c is swa_every).

    >>> SWA(rule="sgd", swa_start=100).hyper()["swa_every"]
    1.0
    """

    name: ClassVar[str] = "swa"
    rule: Rule
    swa_start: Annotated[int, Knob("steps before the first", "[0, inf)", low=0, high=10_000, unit="steps")] = 0
    swa_every: Annotated[int, Knob("steps between two", "[1, inf)", low=1, high=1000, log=True, unit="steps")] = 1

    def check(self) -> None:
        check_one_average(self)

    def chain(self) -> tuple[Transformation, ...]:
        return (*self.rule.chain(), AverageAlike())


def check_one_average(rule: Around) -> None:
    """Raise `UsageError` if a rule inside has judged weights of its own: an average of which nobody asks."""
    held = next((type(link).__name__ for link in rule.rule.chain() if isinstance(link, Judged)), None)
    if held:
        cure = "Leave one of them out."
        raise law(f"{type(rule).__name__}(rule=...)", "must hold a rule without judged weights", rule.rule.name, cure)


def running_average(values: Tensor, beta: float, *, corrected: bool = True) -> Tensor:
    """Return the exponentially weighted average after each value along the first axis.

    v = beta * v + (1 - beta) * value, from 0;  corrected: v / (1 - beta^t)

    It reaches back over about 1 / (1 - beta) values. Source: the notes (004); Kingma and Ba 2015, section 3.

    >>> running_average(torch.tensor([1.0, 1.0]), 0.9)
    tensor([1., 1.])
    >>> running_average(torch.tensor([1.0, 1.0]), 0.9, corrected=False)
    tensor([0.1000, 0.1900])
    """
    if not 0 <= beta < 1:
        raise law("running_average(beta=...)", "must lie in [0, 1)", beta)
    v, found = torch.zeros_like(values[0], dtype=torch.float64), []
    for t, value in enumerate(values.double(), start=1):
        v = beta * v + (1 - beta) * value
        found.append(v / (1 - beta**t) if corrected else v)
    return torch.stack(found).to(values.dtype)
