"""The notes' first decay: 1 / (1 + decay * epoch)."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InverseTime(Schedule):
    """Divide the rate by a number that grows with the epochs: factor = 1 / (1 + decay * epoch).

    With `staircase`, epoch counts whole epochs only, as the notes' table does; without, it grows at each step. Another
    `unit` counts in its place.
    """

    name: ClassVar[str] = "inverse-time"
    decay: Annotated[float, Knob("how fast the rate falls", "[0, inf)", low=0.01, high=10, log=True, unit="1/unit")] = (
        1.0
    )
    staircase: bool = False
    unit: Unit = "epochs"

    def factor(self, at: Progress) -> Tensor:
        epoch = at.elapsed(self.unit)
        return 1 / (1 + self.decay * (epoch.floor() if self.staircase else epoch))

    def span(self, run: Progress) -> float:
        return 0.0
