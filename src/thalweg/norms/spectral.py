"""Spectral normalisation."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thalweg.core import Knob
from thalweg.norms.base import WeightParametrisation

_AT_START = 15  # iterations, as in torch


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SpectralNorm(WeightParametrisation):
    """Divide a layer's weights by their largest singular value, found by power iteration.

    left = weight @ right / |weight @ right|;  right = weight.T @ left / |weight.T @ left|
    w = weight / (left @ weight @ right)

    A dense layer then stretches no difference between inputs. A bank of filters counts as the matrix (channels out, all
    else), which bounds its stretch only up to a factor. `left` and `right` are buffers, moved on by `num_iterations` in
    each pass while training; no gradient goes through their search.

    Source: Miyato et al. 2018, algorithm 1; as in torch, 15 iterations at the start.

    >>> layer = nn.Linear(1, 2)
    >>> SpectralNorm().wrap(layer)
    >>> torch.linalg.matrix_norm(layer.normed_weight().detach(), ord=2)
    tensor(1.0000)
    """

    name: ClassVar[str] = "spectral"
    num_iterations: Annotated[int, Knob("power iterations in each pass", "[1, inf)", low=1, high=5)] = 1
    eps: Annotated[float, Knob("smallest length to divide by", "(0, inf)", low=1e-12, high=1e-6, log=True)] = 1e-12

    def wrap(self, layer: nn.Linear | nn.Conv2d) -> None:
        layer.__class__ = SpectralLinear if isinstance(layer, nn.Linear) else SpectralConv2d
        layer.spec = self  # type: ignore[assignment]  # mypy does not follow the line above
        matrix = layer.weight.detach().flatten(1)
        left = F.normalize(torch.randn(len(matrix)).to(matrix), dim=0, eps=self.eps)
        right = F.normalize(torch.randn(matrix.shape[1]).to(matrix), dim=0, eps=self.eps)
        left, right = self.iterate(matrix, left, right, times=_AT_START)
        layer.register_buffer("left", left)
        layer.register_buffer("right", right)

    def iterate(self, matrix: Tensor, left: Tensor, right: Tensor, *, times: int) -> tuple[Tensor, Tensor]:
        """Bring both vectors nearer to the singular vectors of the largest value."""
        for _ in range(times):
            left = F.normalize(matrix @ right, dim=0, eps=self.eps)
            right = F.normalize(matrix.T @ left, dim=0, eps=self.eps)
        return left, right


class SpectralLinear(nn.Linear):
    """Compute with `weight` over its largest singular value."""

    spec: SpectralNorm
    left: Tensor
    right: Tensor

    def normed_weight(self) -> Tensor:
        return _divided(self)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, _divided(self), self.bias)


class SpectralConv2d(nn.Conv2d):
    """Compute with `weight` over its largest singular value."""

    spec: SpectralNorm
    left: Tensor
    right: Tensor

    def normed_weight(self) -> Tensor:
        return _divided(self)

    def forward(self, input: Tensor) -> Tensor:
        output: Tensor = self._conv_forward(input, _divided(self), self.bias)
        return output


def _divided(layer: SpectralLinear | SpectralConv2d) -> Tensor:
    with torch.autocast(layer.weight.device.type, enabled=False):  # bfloat16 would blur the largest singular value
        matrix, left, right = layer.weight.flatten(1), layer.left, layer.right
        if layer.training:
            with torch.no_grad():
                left, right = layer.spec.iterate(matrix, left, right, times=layer.spec.num_iterations)
                layer.left.copy_(left)
                layer.right.copy_(right)
        normed: Tensor = layer.weight / (left @ (matrix @ right))
        return normed
