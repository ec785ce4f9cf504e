"""Warm-ups: a rise to 1, which then stays."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit

WarmupLength = Annotated[float, Knob("time for the rise", "[0, inf)", low=0.0, high=0.2)]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Warmup(Schedule):
    """Rise in a line to 1 during `length`, and stay: factor = start + (1 - start) * t / length.

    Without a `start` it is 1 / (steps of the rise + 1), so that the first step is one of equal stairs, small and never
    zero: factor = (step + 1) / (steps of the rise + 1). Source: Goyal et al. 2017, section 2.2.
    """

    name: ClassVar[str] = "warmup"
    ends: ClassVar[bool] = True
    length: WarmupLength = 0.05
    unit: Unit = "share"
    start: Annotated[float | None, Knob("factor of the first step", "[0, 1]", low=0.001, high=0.5, log=True)] = None

    def factor(self, at: Progress) -> Tensor:
        if self.start is None:
            return stairs_up(at.step, at.steps_in(self.length, self.unit))
        return self.start + (1 - self.start) * at.along(self.length, self.unit)

    def span(self, run: Progress) -> float:
        return run.steps_in(self.length, self.unit)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ConstantWarmup(Schedule):
    """Hold the factor `start` during `length`, then 1.

    Source: He et al. 2016, section 4.2: a rate of 0.01 until training is under way, then 0.1.
    """

    name: ClassVar[str] = "constant-warmup"
    ends: ClassVar[bool] = True
    length: WarmupLength = 0.05
    unit: Unit = "share"
    start: Annotated[float, Knob("factor during the warm-up", "(0, 1]", low=0.01, high=0.5, log=True)] = 0.1

    def factor(self, at: Progress) -> Tensor:
        held = torch.full_like(at.step, self.start)
        return torch.where(at.step < at.steps_in(self.length, self.unit), held, 1.0)

    def span(self, run: Progress) -> float:
        return run.steps_in(self.length, self.unit)


def stairs_up(step: Tensor, steps: float) -> Tensor:
    """Return min((step + 1) / (steps + 1), 1): equal stairs to 1, which step number `steps` has reached."""
    return ((step + 1) / (steps + 1)).clamp(max=1)
