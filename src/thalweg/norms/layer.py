"""Layer normalisation, with and without the mean."""

import dataclasses
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thalweg.norms.base import Epsilon, FeatureNorm


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LayerNorm(FeatureNorm):
    """Normalise each example by the mean and variance over its features.

    y = (x - mean) / sqrt(var + eps) * weight + bias

    Images are normalised over channels and places together, with one weight and bias a channel. The same while
    training and testing, and for a batch of one.

    Source: Ba, Kiros and Hinton 2016, equation 3.

    >>> LayerNorm().build(2, 0)(torch.tensor([[1.0, 3.0], [10.0, 30.0]])).round(decimals=2).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    name: ClassVar[str] = "layer"
    reads_positions: ClassVar[bool] = True
    eps: Epsilon = 1e-5

    def build(self, width: int, num_axes: int) -> nn.Module:
        return nn.GroupNorm(1, width, eps=self.eps) if num_axes else nn.LayerNorm(width, eps=self.eps)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RMSNorm(FeatureNorm):
    """Divide each example by the root of the mean square of its features.

    y = x / sqrt(mean(x²) + eps) * weight

    Layer norm without the mean and the bias. Images are normalised over channels and places together, with one weight
    a channel.

    Source: Zhang and Sennrich 2019, equation 4; eps as in torch, inside the root.

    >>> RMSNorm().build(2, 0)(torch.tensor([[1.0, 7.0]])).detach()
    tensor([[0.2000, 1.4000]])
    """

    name: ClassVar[str] = "rms"
    reads_positions: ClassVar[bool] = True
    eps: Epsilon = 1e-6

    def build(self, width: int, num_axes: int) -> nn.Module:
        return RMSNormLayer(width, num_axes, eps=self.eps)


class RMSNormLayer(nn.Module):
    """Do what `RMSNorm` says; torch's own module warns under autocast and has no weight by channel."""

    def __init__(self, width: int, num_axes: int, *, eps: float) -> None:
        super().__init__()
        self.num_axes, self.eps = num_axes, eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype)
        if self.num_axes == 0:
            return F.rms_norm(x, weight.shape, weight, self.eps)
        return F.rms_norm(x, x.shape[1:], None, self.eps) * weight.view(-1, *[1] * self.num_axes)

    def extra_repr(self) -> str:
        return f"{len(self.weight)}, eps={self.eps}"
