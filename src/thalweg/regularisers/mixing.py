"""Mixing examples in pairs: whose partner is whom, by how much, and what becomes of the targets."""

import torch
import torch.nn.functional as F
from torch import Tensor

from thalweg.core import law
from thalweg.core.random import numpy_generator
from thalweg.regularisers.base import Augmentation


def partners(x: Tensor, draw: torch.Generator) -> Tensor:
    """Draw a partner for each example, by shuffling the batch: (B,)."""
    return torch.randperm(len(x), generator=draw, device=draw.device).to(x.device)


def beta(alpha: float, x: Tensor, draw: torch.Generator) -> Tensor:
    """Draw from Beta(alpha, alpha) for each example: (B,), float64."""
    # torch's own Beta takes no generator.
    seed = int(torch.randint(1 << 62, (), generator=draw, device=draw.device))
    return torch.from_numpy(numpy_generator(seed, "beta").beta(alpha, alpha, len(x))).to(x.device)


def mix_targets(
    augmentation: Augmentation, y: Tensor, kept_B: Tensor, partner_B: Tensor, *, num_classes: int | None
) -> Tensor:
    """Return kept * y + (1 - kept) * y[partner]; labels as probabilities (B, K), or (B,) where num_classes is 1."""
    values = y if y.is_floating_point() else _as_values(augmentation, y, num_classes)
    kept = kept_B.to(values.dtype).reshape(-1, *[1] * (y.ndim - 1 if values.ndim == y.ndim else 1))
    return values * kept + values[partner_B] * (1 - kept)


def _as_values(augmentation: Augmentation, y: Tensor, num_classes: int | None) -> Tensor:
    call = f"{type(augmentation).__name__}.apply"
    if y.ndim != 1:
        raise law(f"{call}(y=...)", "must hold one label for each example, or numbers", tuple(y.shape))
    if num_classes is None or num_classes < 1:
        cure = "Give the number of the network's outputs, so that labels can become probabilities."
        raise law(f"{call}(num_classes=...)", "must be 1 or more for labels", num_classes, cure)
    if y.numel() and y.device.type == "cpu":  # elsewhere looking would wait for the device
        low, high = (int(end) for end in y.aminmax())
        if low < 0 or high >= max(num_classes, 2):
            raise law(f"{call}(y=...)", f"must hold labels from 0 to {max(num_classes, 2) - 1}", f"{low} to {high}")
    return y.float() if num_classes == 1 else F.one_hot(y.long(), num_classes).float()
