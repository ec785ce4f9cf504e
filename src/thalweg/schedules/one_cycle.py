"""One rise and one long fall, to far below the start."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.errors import law
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress
from thalweg.schedules.cosine import half_cosine


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OneCycle(Schedule):
    """Rise from 1 / div_factor to 1 during `pct_start` of the run, then fall to 1 / (div_factor * final_div_factor).

    Both ways go along half a cosine ("cos") or a line ("linear"). With `three_phase` the fall mirrors the rise, and the
    rest of the run goes from there to the end. The last step has the lowest factor. The rule's own rate is the peak.
    Source: Smith and Topin 2019; fields and corners as in torch.optim.lr_scheduler.OneCycleLR, for the rate alone.
    """

    name: ClassVar[str] = "one-cycle"
    pct_start: Annotated[float, Knob("share of the run for the rise", "(0, 1)", low=0.1, high=0.5)] = 0.3
    div_factor: Annotated[float, Knob("peak in first rates", "[1, inf)", low=5, high=100, log=True)] = 25.0
    final_div_factor: Annotated[float, Knob("first rate in last rates", "[1, inf)", low=1e2, high=1e5, log=True)] = 1e4
    anneal_strategy: Literal["cos", "linear"] = "cos"
    three_phase: bool = False

    def check(self) -> None:
        if self.three_phase and self.pct_start > 0.5:
            cure = "The fall takes as long as the rise."
            raise law("OneCycle(pct_start=...)", "must lie in (0, 0.5] with three phases", self.pct_start, cure)

    def factor(self, at: Progress) -> Tensor:
        first, peak = 1 / self.div_factor, self.pct_start * at.num_steps - 1
        last = first / self.final_div_factor
        phases = [(peak, first, 1.0), (at.num_steps - 1, 1.0, last)]
        if self.three_phase:
            phases[1:] = [(2 * peak, 1.0, first), (at.num_steps - 1, first, last)]
        factor, begin = torch.full_like(at.step, first), 0.0
        for end, low, high in phases:
            way = self._between(low, high, at.step - begin, end - begin)
            factor = torch.where((at.step > begin) | (begin == 0), way, factor)
            begin = end
        return factor

    def _between(self, low: float, high: float, step: Tensor, steps: float) -> Tensor:
        along = (step / steps).clamp(0, 1) if steps > 0 else torch.ones_like(step)
        return high + (low - high) * (half_cosine(along, 0.0) if self.anneal_strategy == "cos" else 1 - along)

    def span(self, run: Progress) -> float:
        return 0.0
