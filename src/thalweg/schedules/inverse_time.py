"""The notes' first decay: 1 / (1 + decay * epoch)."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Progress, Schedule


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InverseTime(Schedule):
    """Divide the rate by a number that grows with the epochs: factor = 1 / (1 + decay * epoch).

    With `staircase`, epoch counts whole epochs only, as the notes' table does; without, it grows at each step.
    """

    name: ClassVar[str] = "inverse-time"
    decay: Annotated[
        float, Knob("how fast the rate falls", "[0, inf)", low=0.01, high=10, log=True, unit="1/epoch")
    ] = 1.0
    staircase: bool = False

    def factor(self, at: Progress) -> Tensor:
        epoch = at.epoch.floor() if self.staircase else at.epoch
        return 1 / (1 + self.decay * epoch)
