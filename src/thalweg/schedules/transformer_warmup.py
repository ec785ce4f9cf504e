"""The Transformer's formula: a rise in a line, then a fall with the root of the step."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit
from thalweg.schedules.warmup import WarmupLength


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TransformerWarmup(Schedule):
    """Rise in a line to 1 during `warmup`, then fall with the root of the step: factor = min(n / w, sqrt(w / n)).

    n is the number of the step, 1 at the first, and w the steps of `warmup`. With `d_model` it is the paper's rate
    itself, for a rule with lr=1: factor = d_model ** -0.5 * min(n ** -0.5, n * w ** -1.5). Source: Vaswani et al. 2017,
    equation 3 (w = 4000 steps).
    """

    name: ClassVar[str] = "transformer-warmup"
    warmup: WarmupLength = 0.05
    unit: Unit = "share"
    d_model: Annotated[int | None, Knob("width of the model, for the paper's rate", "[1, inf)", low=64, high=1024)] = (
        None
    )

    def factor(self, at: Progress) -> Tensor:
        n = at.step + 1
        w = max(at.steps_in(self.warmup, self.unit), 1.0)
        factor = torch.minimum(n / w, (w / n).sqrt())
        return factor if self.d_model is None else factor * (self.d_model * w) ** -0.5

    def span(self, run: Progress) -> float:
        return run.steps_in(self.warmup, self.unit)
