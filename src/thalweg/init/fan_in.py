"""Variances that fall with the number of inputs: the notes' own, and LeCun's."""

import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.init.auto import Gain, check_auto, gain_at
from thalweg.init.base import Init, Spot
from thalweg.init.distributions import Distribution, draw


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FanIn(Init):
    """Draw from a normal distribution that is the narrower the more inputs are summed up.

    W ~ N(0, σ²),  σ = gain / sqrt(n),  n = fan_in

    The notes' σ_i for deeper networks has gain=1; gain="auto" makes up for the activation that follows.

    >>> from thalweg.init import Spot
    >>> FanIn().deviation(Spot(name="w", shape=(5, 100), fan_in=100, fan_out=5))
    0.1
    """

    name: ClassVar[str] = "fan-in"
    gain: Gain = 1.0

    def check(self) -> None:
        check_auto(self, "gain")

    def deviation(self, spot: Spot) -> float:
        return gain_at(self.gain, spot) / math.sqrt(spot.fan_in)

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return torch.randn(spot.shape, generator=generator) * self.deviation(spot)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LeCun(Init):
    """Draw with a variance of one over the number of inputs, from the distribution asked for.

    var(W) = 1 / n,  n = fan_in

    What SELU needs to keep mean 0 and variance 1. Source: LeCun, Bottou, Orr and Müller 1998, equation 16;
    Klambauer et al. 2017, section 2 (SELU).

    >>> LeCun(distribution="uniform")
    LeCun(distribution='uniform')
    """

    name: ClassVar[str] = "lecun"
    distribution: Distribution = "normal"

    def deviation(self, spot: Spot) -> float:
        return 1 / math.sqrt(spot.fan_in)

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return draw(self.distribution, spot.shape, std=self.deviation(spot), generator=generator)
