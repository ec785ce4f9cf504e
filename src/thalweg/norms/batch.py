"""Batch normalisation."""

import dataclasses
from typing import ClassVar, final

from torch import Tensor, nn

from thalweg.core import UsageError
from thalweg.norms.base import Epsilon, FeatureNorm, Momentum


class BatchNormLayer(nn.modules.batchnorm._BatchNorm):
    """Normalise each feature over examples and places, of any number of axes: torch's module, with our sentence."""

    def _check_input_dim(self, input: Tensor) -> None:
        if self.training:
            check_batch(input)


def check_batch(x: Tensor) -> None:
    """Raise `UsageError` if a feature has one value only, whose deviation is 0 whatever it is."""
    if x.numel() <= x.shape[1]:
        raise UsageError(
            "Batch norm needs a batch of two examples or more while training, got one. "
            "Use a larger batch, or norm='layer' or 'group'."
        )


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BatchNorm(FeatureNorm):
    """Normalise each feature by its mean and variance over the batch, for tests by their moving averages.

    y = (x - mean) / sqrt(var + eps) * weight + bias
    running = (1 - momentum) * running + momentum * batch

    `mean` and `var` are over examples, in convolutional networks also over places. `weight` starts at 1, `bias` at 0.
    The moving average of the variance is of the unbiased one, as in torch; `precise_statistics` replaces both averages
    by a pass over the training set.

    Source: Ioffe and Szegedy 2015, algorithms 1 and 2.

    >>> import torch
    >>> layer = BatchNorm().build(1, 0)
    >>> layer(torch.tensor([[1.0], [5.0]])).round(decimals=2).tolist(), layer.running_mean
    ([[-1.0], [1.0]], tensor([0.3000]))
    """

    name: ClassVar[str] = "batch"
    takes_bias: ClassVar[bool] = True
    momentum: Momentum = 0.1
    eps: Epsilon = 1e-5

    def build(self, width: int, num_axes: int) -> nn.Module:
        return BatchNormLayer(width, eps=self.eps, momentum=self.momentum)
