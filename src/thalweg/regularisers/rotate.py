"""Turning images."""

import dataclasses
import math
from typing import Annotated, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor

from thalweg.core import Knob
from thalweg.regularisers.base import Augmentation
from thalweg.regularisers.batch import as_images, uniform
from thalweg.regularisers.fill import Fill


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rotate(Augmentation):
    """Turn each image about its middle by an angle uniform in [-degrees, degrees], bilinearly.

    column = cos(angle) * w - sin(angle) * h;  row = sin(angle) * w + cos(angle) * h        measured from the middle
    x[b, c, h, w] = x[b, c, row, column]

    Positive angles turn counter-clockwise. What comes in from outside repeats the nearest pixel of the border
    (fill="edge") or is 0 (fill="zero"). Right only where a turned example keeps its label: a 6 turned by 180 degrees is
    a 9. On images of a few pixels it blurs more than it turns. Source: Simard et al. 2003.
    """

    name: ClassVar[str] = "rotate"
    degrees: Annotated[float, Knob("largest angle either way", "[0, 180]", low=2.0, high=30.0, unit="degrees")] = 10.0
    fill: Fill = "edge"

    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        del num_classes
        x_BCHW = as_images(self, x)
        if not self.degrees or not len(x):
            return x, y
        angle_B = (uniform(x.float(), draw, 1)[0] * 2 - 1) * math.radians(self.degrees)
        return rotated(x_BCHW, angle_B, fill=self.fill).reshape(x.shape), y


def rotated(x_BCHW: Tensor, angle_B: Tensor, *, fill: Fill) -> Tensor:
    """Turn each image counter-clockwise by its own angle, in radians."""
    height, width = x_BCHW.shape[2:]
    cos, sin, none = angle_B.cos(), angle_B.sin(), torch.zeros_like(angle_B)
    # Grids run from -1 to 1 whatever the size, so that turning an oblong takes the ratio of its sides along.
    row = torch.stack([cos, -sin * (height / width), none], 1)
    column = torch.stack([sin * (width / height), cos, none], 1)
    precision = torch.promote_types(x_BCHW.dtype, torch.float32)
    grid = F.affine_grid(torch.stack([row, column], 1).to(precision), list(x_BCHW.shape), align_corners=False)
    mode = "border" if fill == "edge" else "zeros"
    turned = F.grid_sample(x_BCHW.to(precision), grid, padding_mode=mode, align_corners=False)
    return turned.to(x_BCHW.dtype)
