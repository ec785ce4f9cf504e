"""Rastrigin's function."""

import dataclasses
import itertools
import math
from typing import ClassVar, Final, final

import torch
from torch import Tensor

from thalweg.surface.base import Landmarks, Surface

_HILL, _PIT = 0.5025460365546747, 0.9949586376523348
"""The first roots of t + 10 pi sin(2 pi t) beside 0: along each axis, a hill and the next pit."""
_PITS: Final = (0.0, _PIT, -_PIT)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Rastrigin(Surface):
    """Hide one lowest minimum among a grid of others.

    value = 20 + x² - 10 cos(2 pi x) + y² - 10 cos(2 pi y)

    A descent ends in the pit in which it starts, unless noise or speed carries it out. The landmarks are those next to
    the middle. Source: Rastrigin 1974, in two dimensions.
    """

    name: ClassVar[str] = "rastrigin"

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        along_x, along_y = (t**2 - 10 * torch.cos(2 * math.pi * t) for t in (x, y))
        return 20 + along_x + along_y

    def landmarks(self) -> Landmarks:
        return Landmarks(
            x=(-4.0, 4.0),
            y=(-4.0, 4.0),
            start=(-2.7, 1.6),
            minima=tuple(itertools.product(_PITS, _PITS)),
            saddles=((_HILL, 0.0), (-_HILL, 0.0), (0.0, _HILL), (0.0, -_HILL)),
            maxima=tuple(itertools.product((_HILL, -_HILL), repeat=2)),  # type: ignore[arg-type]  # pairs
        )
