"""Mirroring images."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.regularisers.base import Augmentation
from thalweg.regularisers.batch import as_images, uniform


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Flip(Augmentation):
    """Mirror each image with probability p: left and right change places (horizontal), or top and bottom (vertical).

    x[b, c, h, w] = x[b, c, h, W - 1 - w] where uniform_b < p        direction="horizontal"

    Right only where a mirrored example keeps its label. Digits and letters do not: a mirrored 2 is none, and a 6 upside
    down is nearly a 9. Vertical is right for views from above and through a microscope, hardly ever for photographs.
    Source: Krizhevsky et al. 2012, section 4.1.
    """

    name: ClassVar[str] = "flip"
    direction: Literal["horizontal", "vertical"] = "horizontal"
    p: Annotated[float, Knob("probability of being mirrored", "[0, 1]", low=0.1, high=0.5)] = 0.5

    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        del num_classes
        x_BCHW = as_images(self, x)
        if not self.p:
            return x, y
        chosen_B111 = (uniform(x, draw, 1)[0] < self.p).reshape(-1, 1, 1, 1)
        axis = 3 if self.direction == "horizontal" else 2
        return torch.where(chosen_B111, x_BCHW.flip(axis), x_BCHW).reshape(x.shape), y
