"""Drawing numbers of a wanted deviation from three distributions around 0."""

import math
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Distribution: TypeAlias = Literal["normal", "uniform", "truncated-normal"]
CUT = 2.0  # deviations at which the truncated normal ends where nobody says so


def draw(distribution: Distribution, shape: tuple[int, ...], *, std: float, generator: torch.Generator) -> Tensor:
    """Draw values whose deviation is `std`, whichever the distribution."""
    if distribution == "normal":
        return torch.randn(shape, generator=generator) * std
    if distribution == "uniform":
        return draw_uniform(shape, bound=math.sqrt(3) * std, generator=generator)
    return draw_truncated(shape, cut=CUT, generator=generator) * (std / truncated_std(CUT))


def draw_uniform(shape: tuple[int, ...], *, bound: float, generator: torch.Generator) -> Tensor:
    """Draw from U(-bound, bound)."""
    return (2 * torch.rand(shape, generator=generator) - 1) * bound


def draw_truncated(shape: tuple[int, ...], *, cut: float, generator: torch.Generator) -> Tensor:
    """Draw from N(0, 1) under the condition that the value lies within `cut`, by the inverse of its distribution."""
    inside = math.erf(cut / math.sqrt(2))
    values = math.sqrt(2) * torch.erfinv((2 * torch.rand(shape, generator=generator) - 1) * inside)
    return values.clamp(-cut, cut)


def truncated_std(cut: float) -> float:
    """Return the deviation of N(0, 1) within `cut`: sqrt(1 - 2 cut φ(cut) / (Φ(cut) - Φ(-cut))).

    >>> round(truncated_std(2.0), 5)
    0.87963
    """
    density = math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi)
    return math.sqrt(1 - 2 * cut * density / math.erf(cut / math.sqrt(2)))
