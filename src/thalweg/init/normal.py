"""Small random numbers: normal, and normal with its tails cut off."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.init.base import Init, Spot
from thalweg.init.distributions import CUT, draw_truncated, truncated_std

Deviation = Annotated[float, Knob("deviation of the values", "(0, inf)", low=1e-3, high=1.0, log=True)]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Normal(Init):
    """Draw from one normal distribution for all layers.

    W ~ N(0, std²)

    With std=0.01 these are the small random numbers of the notes: enough for a shallow network, while in a deep one the
    signal dies out.

    >>> Normal(std=0.02)
    Normal(std=0.02)
    """

    name: ClassVar[str] = "normal"
    std: Deviation = 0.01

    def deviation(self, spot: Spot) -> float:
        return self.std

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return torch.randn(spot.shape, generator=generator) * self.std


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TruncatedNormal(Init):
    """Draw from one normal distribution without its tails, so that no weight starts far out.

    W ~ N(0, std²) under the condition |W| <= cut * std

    `std` is that of the normal distribution before the cut, as the notes and Keras write it; what is left has 0.880
    times it at a cut of 2. torch's trunc_normal_ reads its bounds as values, not as deviations.

    >>> TruncatedNormal(std=1.0).cut
    2.0
    """

    name: ClassVar[str] = "truncated-normal"
    std: Deviation = 0.01
    cut: Annotated[float, Knob("where the tails are cut, in deviations", "(0, inf)", low=1.0, high=4.0)] = CUT

    def deviation(self, spot: Spot) -> float:
        return self.std * truncated_std(self.cut)

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return draw_truncated(spot.shape, cut=self.cut, generator=generator) * self.std
