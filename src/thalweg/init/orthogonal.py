"""Orthogonal matrices, which change no length."""

import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.init.auto import Gain, check_auto, gain_at
from thalweg.init.base import Init, Spot


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Orthogonal(Init):
    """Draw a matrix whose rows, or columns if there are fewer, are perpendicular and of length `gain`.

    W W^T = gain² I  for (out, in * kernel) with out <= in * kernel, else  W^T W = gain² I

    Every such matrix is equally likely (Haar's measure). Source: Saxe, McClelland and Ganguli 2014, section 3;
    Mezzadri 2007 (the signs of the QR decomposition).

    >>> Orthogonal(gain="auto")
    Orthogonal(gain='auto')
    """

    name: ClassVar[str] = "orthogonal"
    gain: Gain = 1.0

    def check(self) -> None:
        check_auto(self, "gain")

    def deviation(self, spot: Spot) -> float:
        return gain_at(self.gain, spot) * orthogonal_deviation(spot)

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return gain_at(self.gain, spot) * draw_orthogonal(spot.shape, generator)


def orthogonal_deviation(spot: Spot) -> float:
    """Return the root mean square of the entries of a (semi-)orthogonal matrix of this shape."""
    rows = spot.shape[0]
    return 1 / math.sqrt(max(rows, math.prod(spot.shape) // rows, 1))


def draw_orthogonal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draw a (semi-)orthogonal matrix (out, everything else), in the shape given."""
    rows, columns = shape[0], math.prod(shape[1:])
    tall = torch.randn(max(rows, columns), min(rows, columns), generator=generator)
    q, r = torch.linalg.qr(tall)
    q = q * r.diagonal().sign()  # without it LAPACK's choice of signs would favour some matrices
    values: Tensor = (q if rows >= columns else q.T).reshape(shape)
    return values
