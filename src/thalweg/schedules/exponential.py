"""The same share is lost in each epoch."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit, times_over


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exponential(Schedule):
    """Multiply the rate by `gamma` over each epoch: factor = gamma ** t.

    t counts in `unit`, as a fraction: the rate moves at each step. With `staircase`, whole units only.

    >>> import torch
    >>> from thalweg.schedules import Exponential, progress
    >>> at = progress(torch.tensor([0, 10, 20]), steps_per_epoch=10, num_steps=20)
    >>> Exponential(gamma=0.5).factor(at).tolist()
    [1.0, 0.5, 0.25]
    """

    name: ClassVar[str] = "exponential"
    gamma: Annotated[float, Knob("factor over one unit of time", "(0, inf)", low=0.5, high=0.999)] = 0.95
    unit: Unit = "epochs"
    staircase: bool = False

    def factor(self, at: Progress) -> Tensor:
        t = times_over(at.step, at.steps_in(1, self.unit)) if self.staircase else at.elapsed(self.unit)
        return self.gamma**t

    def span(self, run: Progress) -> float:
        return 0.0
