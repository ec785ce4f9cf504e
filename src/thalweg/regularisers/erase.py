"""Cutting a square out of each image."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.regularisers.base import Augmentation
from thalweg.regularisers.batch import as_images, box, whole


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Erase(Augmentation):
    """Set a square of each image to 0, so that no single part of it decides (cutout).

    x[b, c, h, w] = 0 where row_b <= h + size // 2 < row_b + size, and alike for w

    The middle is uniform over the image; what reaches over the border is cut off. 0 is the mean after standardising.
    Source: DeVries and Taylor 2017.
    """

    name: ClassVar[str] = "erase"
    size: Annotated[int, Knob("side of the square", "[0, inf)", low=1, high=16, unit="pixels")] = 2

    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        del num_classes
        x_BCHW = as_images(self, x)
        if not self.size:
            return x, y
        middles = whole(x, draw, 0, x_BCHW.shape[2]), whole(x, draw, 0, x_BCHW.shape[3])
        sizes = torch.full_like(middles[0], self.size)
        return x_BCHW.masked_fill(box(x_BCHW, middles, (sizes, sizes)), 0.0).reshape(x.shape), y
