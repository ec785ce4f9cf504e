"""CutMix: a box of one image pasted into another."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.regularisers.base import Augmentation
from thalweg.regularisers.batch import as_images, box, whole
from thalweg.regularisers.mixing import beta, mix_targets, partners


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CutMix(Augmentation):
    """Paste a box of another image of the batch into each image, and mix the targets by area.

    height = floor(H * sqrt(1 - drawn)), width alike;  drawn ~ Beta(alpha, alpha)
    kept = 1 - area of the box within the image / (H * W)
    x = x[partner] inside the box, x outside;  y = kept * y + (1 - kept) * y[partner]

    The middle of the box is uniform over the image, and what reaches over the border is cut off. Each pair draws its
    own box; the authors' program draws one for the batch. alpha=0 changes nothing. Source: Yun et al. 2019, equations
    1 and 2.
    """

    name: ClassVar[str] = "cutmix"
    alpha: Annotated[float, Knob("shape of the share; 1 for even", "[0, inf)", low=0.1, high=2.0, log=True)] = 1.0

    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        x_BCHW = as_images(self, x)
        if not self.alpha:
            return x, y
        height, width = x_BCHW.shape[2:]
        partner_B, side_B = partners(x, draw), (1 - beta(self.alpha, x, draw)).sqrt()
        middles = whole(x, draw, 0, height), whole(x, draw, 0, width)
        inside_B1HW = box(x_BCHW, middles, ((side_B * height).long(), (side_B * width).long()))
        kept_B = 1 - inside_B1HW.double().mean((1, 2, 3))
        pasted = torch.where(inside_B1HW, x_BCHW[partner_B], x_BCHW).reshape(x.shape)
        return pasted, mix_targets(self, y, kept_B, partner_B, num_classes=num_classes)
