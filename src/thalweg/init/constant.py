"""The same number everywhere: what must not be done, kept to show why."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.init.base import Init, Spot


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Zeros(Init):
    """Set every weight to zero, so that with ReLU or tanh no gradient ever reaches a hidden layer.

    W = 0

    Right for a layer that is to begin by doing nothing, as at the end of a residual branch, and for linear and softmax
    regression; for a whole network it is there to show why not.

    >>> Zeros()
    Zeros()
    """

    name: ClassVar[str] = "zeros"

    def deviation(self, spot: Spot) -> float:
        return 0.0

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return torch.zeros(spot.shape)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Constant(Init):
    """Set every weight to one value, so that the units of a layer are and stay copies of each other.

    W = value

    >>> Constant(value=0.5)
    Constant(value=0.5)
    """

    name: ClassVar[str] = "constant"
    value: Annotated[float, Knob("what every weight is", "(-inf, inf)", low=-1.0, high=1.0)] = 0.1

    def deviation(self, spot: Spot) -> float:
        return 0.0

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return torch.full(spot.shape, self.value)
