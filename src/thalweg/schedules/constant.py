"""The rate stays as it is."""

import dataclasses
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Constant(Schedule):
    """Keep the rate: factor = 1."""

    name: ClassVar[str] = "constant"

    def factor(self, at: Progress) -> Tensor:
        return torch.ones_like(at.step)

    def span(self, run: Progress) -> float:
        return 0.0
