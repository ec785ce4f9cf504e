"""What augmentations ask of a batch: numbers, images, and a box in each image."""

import torch
from torch import Tensor

from thalweg.core import law
from thalweg.regularisers.base import Augmentation


def check_numbers(augmentation: Augmentation, x: Tensor) -> None:
    """Raise `UsageError` for whole numbers: token ids and bytes have no neighbours to move to."""
    if not x.is_floating_point():
        call, cure = (
            f"{type(augmentation).__name__}.apply(x=...)",
            "Convert bytes with .float(); leave token ids alone.",
        )
        raise law(call, "must hold floating-point numbers", str(x.dtype), cure)


def as_images(augmentation: Augmentation, x: Tensor) -> Tensor:
    """Return images (B, H, W) or (B, C, H, W) as (B, C, H, W), or raise `UsageError` for anything else."""
    check_numbers(augmentation, x)
    if x.ndim not in (3, 4):
        call = f"{type(augmentation).__name__}.apply(x=...)"
        cure = "Reshape each example to its image, say x.reshape(-1, 8, 8) for digits, or leave this augmentation out."
        raise law(call, "must be images (B, H, W) or (B, C, H, W)", tuple(x.shape), cure)
    return x if x.ndim == 4 else x.unsqueeze(1)


def uniform(x: Tensor, draw: torch.Generator, count: int) -> Tensor:
    """Draw numbers in [0, 1), as many for each example, on the device and in the precision of x: (count, B)."""
    return torch.rand(count, len(x), generator=draw, device=draw.device).to(x)


def whole(x: Tensor, draw: torch.Generator, low: int, high: int) -> Tensor:
    """Draw a whole number in [low, high) for each example, on the device of x: (B,)."""
    return torch.randint(low, high, (len(x),), generator=draw, device=draw.device).to(x.device)


def box(x_BCHW: Tensor, middles: tuple[Tensor, Tensor], sizes: tuple[Tensor, Tensor]) -> Tensor:
    """Return which pixels lie in a box of these heights and widths, cut off at the border: (B, 1, H, W)."""
    inside = []
    for length, middle_B, size_B in zip(x_BCHW.shape[2:], middles, sizes, strict=True):
        first_B1 = (middle_B - size_B // 2).unsqueeze(1)
        place = torch.arange(length, device=x_BCHW.device)
        inside.append((place >= first_B1) & (place < first_B1 + size_B.unsqueeze(1)))
    return inside[0][:, None, :, None] & inside[1][:, None, None, :]
