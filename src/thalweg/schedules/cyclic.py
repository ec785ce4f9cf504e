"""Up and down in lines, again and again."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit, times_over


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Cyclic(Schedule):
    """Rise in a line from `floor` to 1 during `rise`, fall back during `fall`, and begin again.

    factor = floor + (1 - floor) * gamma ** cycle * height, where height goes 0, 1, 0 in each cycle, counted from 0.
    Without a `fall` it is as long as the rise. gamma = 1 is the paper's triangular, 0.5 its triangular2. Source: Smith
    2017, section 3.
    """

    name: ClassVar[str] = "cyclic"
    rise: Annotated[float, Knob("time up", "(0, inf)", low=0.02, high=0.25)] = 0.1
    fall: Annotated[float | None, Knob("time down", "(0, inf)", low=0.02, high=0.25)] = None
    unit: Unit = "share"
    floor: Annotated[float, Knob("factor at the lowest", "[0, 1]", low=0.01, high=0.5)] = 0.1
    gamma: Annotated[float, Knob("height of a cycle in heights of the one before", "(0, 1]", low=0.5, high=1)] = 1.0

    def factor(self, at: Progress) -> Tensor:
        up, whole = at.steps_in(self.rise, self.unit), self.span(at)
        cycle = times_over(at.step, whole)
        x = (at.step - cycle * whole).clamp(min=0)
        height = torch.minimum(x / up, (whole - x) / (whole - up)).clamp(0, 1)
        return self.floor + (1 - self.floor) * self.gamma**cycle * height

    def span(self, run: Progress) -> float:
        fall = self.rise if self.fall is None else self.fall
        return run.steps_in(self.rise, self.unit) + run.steps_in(fall, self.unit)
