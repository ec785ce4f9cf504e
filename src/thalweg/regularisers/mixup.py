"""Mixup: convex combinations of examples and their targets."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.regularisers.base import Augmentation
from thalweg.regularisers.batch import check_numbers
from thalweg.regularisers.mixing import beta, mix_targets, partners


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mixup(Augmentation):
    """Replace each example by a mixture with another one of the batch, and its target likewise.

    x = kept * x + (1 - kept) * x[partner];  y = kept * y + (1 - kept) * y[partner];  kept ~ Beta(alpha, alpha)

    Labels become probabilities (B, K), K = num_classes; values and probabilities are mixed as they are. Each pair draws
    its own `kept`, as in the paper's equation; the authors' program draws one for the batch. alpha=0 changes nothing.
    Source: Zhang et al. 2018, equation 1.
    """

    name: ClassVar[str] = "mixup"
    alpha: Annotated[float, Knob("shape of the mixture; 1 mixes evenly", "[0, inf)", low=0.1, high=1.0, log=True)] = 0.2

    def apply(
        self, x: Tensor, y: Tensor, draw: torch.Generator, *, num_classes: int | None = None
    ) -> tuple[Tensor, Tensor]:
        check_numbers(self, x)
        if not self.alpha:
            return x, y
        partner_B, kept_B = partners(x, draw), beta(self.alpha, x, draw)
        kept = kept_B.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        mixed = x * kept + x[partner_B] * (1 - kept)
        return mixed, mix_targets(self, y, kept_B, partner_B, num_classes=num_classes)
