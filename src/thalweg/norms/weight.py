"""Weight normalisation."""

import dataclasses
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thalweg.norms.base import WeightParametrisation


class PolarLinear(nn.Linear):
    """Learn direction (`weight`) and length (`magnitude`) of each unit's weights apart, in polar coordinates."""

    magnitude: nn.Parameter

    def normed_weight(self) -> Tensor:
        return _with_length(self.weight, self.magnitude)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.normed_weight(), self.bias)


class PolarConv2d(nn.Conv2d):
    """Learn direction (`weight`) and length (`magnitude`) of each filter apart."""

    magnitude: nn.Parameter

    def normed_weight(self) -> Tensor:
        return _with_length(self.weight, self.magnitude)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self._conv_forward(input, self.normed_weight(), self.bias)
        return output


def lengths(weight: Tensor) -> Tensor:
    """Return the norm of the weights of each unit, of shape (units, 1, ...)."""
    norms: Tensor = torch.linalg.vector_norm(weight, dim=list(range(1, weight.ndim)), keepdim=True)
    return norms


def _with_length(weight: Tensor, magnitude: Tensor) -> Tensor:
    # torch's fused kernel is faster, but has no rule for vmap and a wrong second derivative (torch 2.13, CPU).
    return weight * (magnitude / lengths(weight))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WeightNorm(WeightParametrisation):
    """Write the weights of each unit as a learnt length times a learnt direction.

    w = magnitude * weight / |weight|, for each unit

    At the start w is what it would be without: `magnitude` is |weight|. The gradient of `weight` is orthogonal to it,
    so that |weight| grows and the rate for the direction falls.

    Source: Salimans and Kingma 2016, equation 2. Their start from data is left out.

    >>> layer = nn.Linear(3, 2)
    >>> WeightNorm().wrap(layer)
    >>> [name for name, _ in layer.named_parameters()]
    ['weight', 'bias', 'magnitude']
    """

    name: ClassVar[str] = "weight"

    def wrap(self, layer: nn.Linear | nn.Conv2d) -> None:
        # As torch's parametrize does, but with one class for all layers: so members stack, and layers pickle.
        layer.__class__ = PolarLinear if isinstance(layer, nn.Linear) else PolarConv2d
        layer.magnitude = nn.Parameter(lengths(layer.weight.detach()))
