"""Gaussian noise on the inputs."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.regularisers.base import Augmentation
from thalweg.regularisers.batch import check_numbers


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InputNoise(Augmentation):
    """Add Gaussian noise to each number of the inputs.

    x = x + std * normal(0, 1)

    `std` is in units of the inputs as the network sees them: after standardising, 0.1 is a tenth of a feature's spread.
    For a linear model and squared error this is an L2 penalty, on average. Source: Bishop 1995.
    """

    name: ClassVar[str] = "input-noise"
    std: Annotated[float, Knob("standard deviation of the noise", "[0, inf)", low=0.01, high=1.0, log=True)] = 0.1

    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        del num_classes
        check_numbers(self, x)
        if not self.std:
            return x, y
        return x + torch.randn(x.shape, generator=draw, device=draw.device).to(x) * self.std, y
