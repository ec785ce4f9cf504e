"""He's start, for ReLU and its leaky relatives."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.init.auto import check_auto
from thalweg.init.base import Init, Spot
from thalweg.init.distributions import Distribution, draw

Slope = (
    Annotated[float, Knob("slope of the activation for negative inputs", "[0, inf)", low=0.0, high=0.5)]
    | Literal["auto"]
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class He(Init):
    """Draw so that a signal survives rectifiers, which cut half of it away.

    var(W) = 2 / ((1 + slope²) * n),  n = fan_in or fan_out

    slope="auto" is that of the leaky ReLU or PReLU that follows, and 0 before anything else: the notes' 2/n. fan_in
    keeps signals on their way forward, fan_out gradients on their way back.
    Source: He et al. 2015, equations 10, 14 and 15.

    >>> from thalweg.init import Spot
    >>> He().deviation(Spot(name="w", shape=(50, 200), fan_in=200, fan_out=50))
    0.1
    """

    name: ClassVar[str] = "he"
    mode: Literal["fan_in", "fan_out"] = "fan_in"
    distribution: Distribution = "normal"
    slope: Slope = "auto"

    def check(self) -> None:
        check_auto(self, "slope")

    def deviation(self, spot: Spot) -> float:
        slope = spot.slope if isinstance(self.slope, str) else self.slope
        return math.sqrt(2 / ((1 + slope**2) * (spot.fan_in if self.mode == "fan_in" else spot.fan_out)))

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return draw(self.distribution, spot.shape, std=self.deviation(spot), generator=generator)
