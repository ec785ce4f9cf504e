"""Half a cosine down, once or again and again."""

import dataclasses
import math
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Floor, Schedule
from thalweg.schedules.clock import Progress, Unit, times_over


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Cosine(Schedule):
    """Fall along half a cosine to `floor`, and stay: factor = floor + (1 - floor) * (1 + cos(pi * t / length)) / 2.

    Source: Loshchilov and Hutter 2017, equation 5.
    """

    name: ClassVar[str] = "cosine"
    ends: ClassVar[bool] = True
    floor: Floor = 0.0
    length: Annotated[float, Knob("time for the fall", "[0, inf)", low=0.5, high=1.0)] = 1.0
    unit: Unit = "share"

    def factor(self, at: Progress) -> Tensor:
        return half_cosine(at.along(self.length, self.unit), self.floor)

    def span(self, run: Progress) -> float:
        return run.steps_in(self.length, self.unit)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Restarts(Schedule):
    """Fall along half a cosine and begin again at 1, each time `growth` times as long: factor as `Cosine`'s in a cycle.

    The first cycle lasts `period`; cycle i, counted from 0, lasts period * growth ** i. A run ends low only where a
    cycle does. Source: Loshchilov and Hutter 2017 (SGDR; period = T_0, growth = T_mult).
    """

    name: ClassVar[str] = "restarts"
    period: Annotated[float, Knob("time of the first cycle", "(0, inf)", low=0.05, high=0.5)] = 0.25
    unit: Unit = "share"
    growth: Annotated[float, Knob("length of a cycle in lengths of the one before", "[1, inf)", low=1, high=3)] = 1.0
    floor: Floor = 0.0

    def factor(self, at: Progress) -> Tensor:
        t = at.step / at.steps_in(self.period, self.unit)
        if self.growth == 1:
            return half_cosine((t - times_over(t, 1.0)).clamp(0, 1), self.floor)
        more = self.growth - 1
        i = times_over(torch.log1p(t * more), math.log(self.growth))
        begun = torch.expm1(i * math.log(self.growth)) / more
        return half_cosine(((t - begun) / self.growth**i).clamp(0, 1), self.floor)

    def span(self, run: Progress) -> float:
        return run.steps_in(self.period, self.unit)


def half_cosine(along: Tensor, floor: float) -> Tensor:
    """Return the fall from 1 to `floor` along half a cosine, of which `along` in [0, 1] is over."""
    return floor + (1 - floor) * (1 + torch.cos(math.pi * along)) / 2
