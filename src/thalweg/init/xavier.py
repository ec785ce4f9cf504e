"""Xavier's start, for activations that are linear around 0."""

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
class Xavier(Init):
    """Draw so that neither signals nor gradients grow: between one over the inputs and one over the outputs.

    var(W) = gain² * 2 / (fan_in + fan_out)

    gain=1 is the paper's; gain="auto" makes up for the activation that follows, 5/3 for tanh.
    Source: Glorot and Bengio 2010, equations 12 and 16.

    >>> from thalweg.init import Spot
    >>> Xavier().deviation(Spot(name="w", shape=(100, 100), fan_in=100, fan_out=100))
    0.1
    """

    name: ClassVar[str] = "xavier"
    distribution: Distribution = "uniform"
    gain: Gain = 1.0

    def check(self) -> None:
        check_auto(self, "gain")

    def deviation(self, spot: Spot) -> float:
        return gain_at(self.gain, spot) * math.sqrt(2 / (spot.fan_in + spot.fan_out))

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return draw(self.distribution, spot.shape, std=self.deviation(spot), generator=generator)
