"""A rise, a plain, a fall at the end."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Floor, Schedule
from thalweg.schedules.clock import Progress, Unit
from thalweg.schedules.cosine import half_cosine
from thalweg.schedules.warmup import WarmupLength, stairs_up


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WarmupStableDecay(Schedule):
    """Rise in a line to 1 during `warmup`, stay, and fall to `floor` during the last `decay` of the run.

    x is the share of the fall that is over; factor = floor + (1 - floor) * y with y = 1 - x ("linear"),
    (1 + cos(pi * x)) / 2 ("cosine"), 1 - sqrt(x) ("sqrt"). The plain may be lengthened at will: only the fall knows the
    end of the run. Source: Hu et al. 2024 (WSD); Haegele et al. 2024 (the fall with the root).
    """

    name: ClassVar[str] = "warmup-stable-decay"
    warmup: WarmupLength = 0.05
    decay: Annotated[float, Knob("time for the fall", "[0, inf)", low=0.1, high=0.5)] = 0.2
    unit: Unit = "share"
    shape: Literal["linear", "cosine", "sqrt"] = "linear"
    floor: Floor = 0.0

    def factor(self, at: Progress) -> Tensor:
        rise = stairs_up(at.step, at.steps_in(self.warmup, self.unit))
        fall = at.steps_in(self.decay, self.unit)
        x = ((at.step - (at.num_steps - fall)) / max(fall, 1e-300)).clamp(0, 1)
        if self.shape == "cosine":
            return rise * half_cosine(x, self.floor)
        return rise * (self.floor + (1 - self.floor) * (1 - (x if self.shape == "linear" else torch.sqrt(x))))

    def span(self, run: Progress) -> float:
        return run.steps_in(self.warmup, self.unit) + run.steps_in(self.decay, self.unit)
