"""Residual networks whose sum of branches does not grow with depth."""

import dataclasses
import math
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import law
from thalweg.init.base import Init, Spot
from thalweg.init.he import He


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DepthScaled(Init):
    """Start as another init says, with the last layer of each residual branch made smaller.

    W = W_around / sqrt(branches)  where a branch ends;  W = W_around  elsewhere

    The sum of all branches then has the variance of one. last="zero" lets each branch begin by adding nothing. Branches
    are found in a forward pass: sums of a signal and of what layers made of it.
    Source: Radford et al. 2019, section 2.3 (GPT-2); Zhang, Dauphin and Ma 2019 (Fixup) for "zero".

    >>> DepthScaled(around="he").around
    He(mode='fan_in', distribution='normal', slope='auto')
    """

    name: ClassVar[str] = "depth-scaled"
    needs_batch: ClassVar[bool] = True
    around: Init = dataclasses.field(default_factory=He)
    last: Literal["divide", "zero"] = "divide"

    def check(self) -> None:
        if self.around.needs_batch:
            cure = "Put it around one that draws without data, say 'he'."
            raise law("DepthScaled(around=...)", "must not look at data itself", self.around.name, cure)

    def deviation(self, spot: Spot) -> float:
        return self.around.deviation(spot) * self._factor(spot)

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return self.around.draw(spot, generator) * self._factor(spot)

    def _factor(self, spot: Spot) -> float:
        if not spot.branches:
            return 1.0
        return 0.0 if self.last == "zero" else 1 / math.sqrt(spot.branches)
