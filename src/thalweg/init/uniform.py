"""Uniform numbers around 0."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.init.auto import check_auto
from thalweg.init.base import Init, Spot
from thalweg.init.distributions import draw_uniform

Bound = (
    Annotated[float, Knob("largest value, either side of 0", "(0, inf)", low=1e-3, high=1.0, log=True)]
    | Literal["auto"]
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Uniform(Init):
    """Draw uniformly between two bounds.

    W ~ U(-bound, bound)

    bound="auto" is 1 / sqrt(fan_in), which torch gives its dense and convolutional layers unasked: a variance of
    1 / (3 n), so that a deep network of ReLU loses a factor of 6 a layer.

    >>> Uniform(bound=0.05)
    Uniform(bound=0.05)
    """

    name: ClassVar[str] = "uniform"
    bound: Bound = "auto"

    def check(self) -> None:
        check_auto(self, "bound")

    def deviation(self, spot: Spot) -> float:
        return self._bound(spot) / math.sqrt(3)

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return draw_uniform(spot.shape, bound=self._bound(spot), generator=generator)

    def _bound(self, spot: Spot) -> float:
        return 1 / math.sqrt(spot.fan_in) if isinstance(self.bound, str) else self.bound
