"""A linear warm-up, then half a cosine down."""

import dataclasses
import math
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WarmupCosine(Schedule):
    """Rise in a line to 1 during the first `warmup` share of the run, then fall along half a cosine to `floor`.

    factor = (share + one) / (warmup + one)                                   while share < warmup
    factor = floor + (1 - floor) * (1 + cos(pi * (share - warmup) / (1 - warmup))) / 2    after

    `one` is the share of one step, so that the first step is small but never zero. Source: Loshchilov and Hutter 2017
    (cosine); Goyal et al. 2017 (warm-up).
    """

    name: ClassVar[str] = "warmup-cosine"
    warmup: Annotated[float, Knob("share of the run for the rise", "[0, 1)", low=0.0, high=0.2)] = 0.05
    floor: Annotated[float, Knob("share of the rate left at the end", "[0, 1]", low=0.0, high=0.1)] = 0.0

    def factor(self, at: Progress) -> Tensor:
        rise = (at.share + at.one) / (self.warmup + at.one)
        along = ((at.share - self.warmup) / (1 - self.warmup)).clamp(0, 1)
        fall = self.floor + (1 - self.floor) * (1 + torch.cos(math.pi * along)) / 2
        return torch.where(at.share < self.warmup, rise, fall)

    def span(self, run: Progress) -> float:
        return run.steps_in(self.warmup, "share")
