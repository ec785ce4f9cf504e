"""The rate over a walk: what a schedule says of each step. A surface has no data, so a step counts as an epoch."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.core import law, read_component
from thalweg.schedules import SCHEDULES, Schedule, metrics_read, must_fit, progress


@dataclasses.dataclass(frozen=True)
class Pace:
    """Hold a schedule, or none, and the number of steps that it is for."""

    schedule: Schedule | None
    steps: int

    @property
    def reads(self) -> bool:
        """Whether the schedule reads the losses met, so that factors are known one by one only."""
        return self.schedule is not None and bool(metrics_read(self.schedule))

    def factors(self) -> Tensor:
        """Return the multiplier of the rate (T,) of each step, as it is if no loss was met."""
        return self._at(torch.arange(self.steps), ())

    def factor(self, step: int, losses: Sequence[float]) -> float:
        """Return the multiplier of one step, given the losses at the points before it."""
        return float(self._at(torch.tensor([step]), losses))

    def _at(self, moments: Tensor, losses: Sequence[float]) -> Tensor:
        if self.schedule is None:
            return torch.ones(len(moments), dtype=torch.float64)
        seen = {"loss": [(float(step), loss) for step, loss in enumerate(losses)]} if losses else {}
        at = progress(moments, steps_per_epoch=1, num_steps=self.steps, seen=seen)
        return self.schedule.factor(at).to(torch.float64)


def pace_of(schedule: Schedule | str | None, steps: int) -> Pace:
    """Return the pace of a walk. Raises `UsageError` for a schedule that is too long or reads what no surface has."""
    known = read_component(SCHEDULES, schedule, "schedule") if isinstance(schedule, str) else schedule
    if known is not None:
        must_fit(known, steps_per_epoch=1, num_steps=steps)
        if others := [name for name in metrics_read(known) if name != "loss"]:
            raise law("descend(schedule=...)", "can read the loss alone on a surface", others[0], "Set metric='loss'.")
    return Pace(known, steps)
