"""Moving images by whole pixels."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob, law
from thalweg.regularisers.base import Augmentation
from thalweg.regularisers.batch import as_images, whole
from thalweg.regularisers.fill import Fill


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shift(Augmentation):
    """Move each image by up to so many whole pixels, down and to the right each uniform in [-pixels, pixels].

    x[b, c, h, w] = x[b, c, h - down_b, w - right_b]

    What comes in from outside repeats the nearest pixel of the border (fill="edge") or is 0, after standardising the
    mean (fill="zero").

    Raises `UsageError` unless pixels is less than height and width. Source: Krizhevsky et al. 2012, section 4.1.
    """

    name: ClassVar[str] = "shift"
    pixels: Annotated[int, Knob("largest shift each way", "[0, inf)", low=1, high=4, unit="pixels")] = 1
    fill: Fill = "edge"

    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        del num_classes
        x_BCHW = as_images(self, x)
        if self.pixels >= min(x_BCHW.shape[2:]):
            size = " and ".join(str(length) for length in x_BCHW.shape[2:])
            raise law("Shift(pixels=...)", f"must be less than height and width, here {size}", self.pixels)
        if not self.pixels:
            return x, y
        down_B, right_B = (whole(x, draw, -self.pixels, self.pixels + 1) for _ in range(2))
        return shifted(x_BCHW, down_B, right_B, fill=self.fill).reshape(x.shape), y


def shifted(x_BCHW: Tensor, down_B: Tensor, right_B: Tensor, *, fill: Fill) -> Tensor:
    """Move each image down and to the right by its own whole numbers of pixels."""
    moved = x_BCHW
    for axis, by_B in ((2, down_B), (3, right_B)):
        length = x_BCHW.shape[axis]
        source = torch.arange(length, device=x_BCHW.device) - by_B.unsqueeze(1)
        source = source[:, None, :, None] if axis == 2 else source[:, None, None, :]
        moved = moved.gather(axis, source.clamp(0, length - 1).expand_as(x_BCHW))
        if fill == "zero":
            moved = moved.masked_fill((source < 0) | (source >= length), 0.0)
    return moved
