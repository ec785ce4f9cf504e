"""The notes' second decay: k / sqrt(t)."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit, times_over


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InverseSqrt(Schedule):
    """Divide the rate by the root of the number of the epoch: factor = k / sqrt(t).

    t = 1 + the epochs, or what else `unit` counts, made before: 1 at the first step. With `staircase`, whole units
    only, so that t is the number of the epoch under way. `unit="steps"` counts mini-batches, as the notes do.
    """

    name: ClassVar[str] = "inverse-sqrt"
    k: Annotated[float, Knob("multiplier at the first step", "(0, inf)", low=0.1, high=10, log=True)] = 1.0
    unit: Unit = "epochs"
    staircase: bool = False

    def factor(self, at: Progress) -> Tensor:
        t = 1 + (times_over(at.step, at.steps_in(1, self.unit)) if self.staircase else at.elapsed(self.unit))
        return self.k / t.sqrt()

    def span(self, run: Progress) -> float:
        return 0.0
