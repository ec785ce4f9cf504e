"""Falls at some moments and none between them."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.errors import law
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit, is_moment, times_over

Gamma = Annotated[float, Knob("factor of each fall", "(0, inf)", low=0.1, high=0.9)]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Staircase(Schedule):
    """Multiply the rate by `gamma` after each `every`: factor = gamma ** floor(t / every)."""

    name: ClassVar[str] = "staircase"
    gamma: Gamma = 0.5
    every: Annotated[float, Knob("time between two falls", "(0, inf)", low=0.05, high=0.5)] = 0.2
    unit: Unit = "share"

    def factor(self, at: Progress) -> Tensor:
        return self.gamma ** times_over(at.step, at.steps_in(self.every, self.unit))

    def span(self, run: Progress) -> float:
        return run.steps_in(self.every, self.unit)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Milestones(Schedule):
    """Multiply the rate by `gamma` at each milestone: factor = gamma ** (number of milestones <= t).

    Source: He et al. 2016, section 4.2: a tenth at one half and at three quarters of the run.
    """

    name: ClassVar[str] = "milestones"
    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: Gamma = 0.1
    unit: Unit = "share"

    def check(self) -> None:
        known = isinstance(self.milestones, tuple) and all(is_moment(moment) for moment in self.milestones)
        if not known or list(self.milestones) != sorted(self.milestones):
            raise law("Milestones(milestones=...)", "must be moments from 0 on, in their order", self.milestones)

    def factor(self, at: Progress) -> Tensor:
        falls = [at.steps_in(moment, self.unit) for moment in self.milestones]
        made = torch.searchsorted(torch.tensor(falls, dtype=torch.float64), at.step, right=True)
        return self.gamma ** made.to(torch.float64)

    def span(self, run: Progress) -> float:
        return run.steps_in(max(self.milestones, default=0.0), self.unit)
