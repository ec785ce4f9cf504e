"""Schedules at the same time, multiplied."""

import dataclasses
import functools
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.core.errors import law
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Product(Schedule):
    """Multiply the factors of the parts, which all keep the clock of the run: factor = factor_1 * factor_2 * ...

    So a plateau goes with a warm-up: `product(parts=[warmup, plateau])`.
    """

    name: ClassVar[str] = "product"
    parts: tuple[Schedule, ...]

    def check(self) -> None:
        if not self.parts:
            raise law("Product(parts=...)", "must hold at least one schedule", self.parts)

    def factor(self, at: Progress) -> Tensor:
        return functools.reduce(torch.mul, [part.factor(at) for part in self.parts])

    def span(self, run: Progress) -> float:
        return max(part.span(run) for part in self.parts)
