"""A fall along a line, or along a power of one."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Floor, Schedule
from thalweg.schedules.clock import Progress, Unit

DecayLength = Annotated[float, Knob("time for the whole way", "[0, inf)", low=0.5, high=1.0)]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Linear(Schedule):
    """Go in a line from `start` to `end` during `length`, and stay: factor = start + (end - start) * t / length."""

    name: ClassVar[str] = "linear"
    ends: ClassVar[bool] = True
    start: Annotated[float, Knob("factor at the beginning", "[0, inf)", low=0.1, high=1.0)] = 1.0
    end: Annotated[float, Knob("factor at the end", "[0, inf)", low=0.0, high=0.1)] = 0.0
    length: DecayLength = 1.0
    unit: Unit = "share"

    def factor(self, at: Progress) -> Tensor:
        return self.start + (self.end - self.start) * at.along(self.length, self.unit)

    def span(self, run: Progress) -> float:
        return run.steps_in(self.length, self.unit)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Polynomial(Schedule):
    """Fall to `floor` along a power, and stay: factor = floor + (1 - floor) * (1 - t / length) ** power.

    Source: Chen et al. 2018 (DeepLab), section 4.1: power = 0.9.
    """

    name: ClassVar[str] = "polynomial"
    ends: ClassVar[bool] = True
    power: Annotated[float, Knob("1 is a line; the greater, the sooner it is low", "(0, inf)", low=0.5, high=4)] = 2.0
    floor: Floor = 0.0
    length: DecayLength = 1.0
    unit: Unit = "share"

    def factor(self, at: Progress) -> Tensor:
        left = 1 - at.along(self.length, self.unit)
        return self.floor + (1 - self.floor) * left**self.power

    def span(self, run: Progress) -> float:
        return run.steps_in(self.length, self.unit)
