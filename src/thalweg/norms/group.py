"""Normalisation of each example by groups of features, or of places."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import nn

from thalweg.core import Knob
from thalweg.core.errors import law
from thalweg.norms.base import Epsilon, FeatureNorm


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GroupNorm(FeatureNorm):
    """Normalise each example by the mean and variance over each group of neighbouring features.

    y = (x - mean) / sqrt(var + eps) * weight + bias

    A group of an image is its channels with all their places. `num_groups` must divide the number of features. One
    group is layer norm; as many groups as channels is instance norm.

    Source: Wu and He 2018, equations 1, 2, 7; 32 groups there, for networks of 64 channels and more.

    >>> import torch
    >>> GroupNorm(num_groups=2).build(4, 0)(torch.tensor([[1.0, 3.0, 10.0, 30.0]])).round(decimals=2).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    name: ClassVar[str] = "group"
    num_groups: Annotated[int, Knob("groups of features", "[1, inf)", low=1, high=32, log=True)] = 8
    eps: Epsilon = 1e-5

    def build(self, width: int, num_axes: int) -> nn.Module:
        most = width if num_axes else width // 2  # a group of a single number is that number minus itself
        if width % self.num_groups or self.num_groups > most:
            fits = max((n for n in range(1, min(most, self.num_groups) + 1) if width % n == 0), default=None)
            wants = f"must divide the {width} features of the layer"
            wants += "" if num_axes else " into groups of two or more"
            cure = "Use another norm." if fits is None else f"Use num_groups={fits}, or another width."
            raise law("GroupNorm(num_groups=...)", wants, self.num_groups, cure)
        return nn.GroupNorm(self.num_groups, width, eps=self.eps)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InstanceNorm(FeatureNorm):
    """Normalise each channel of each image by the mean and variance over its places.

    y = (x - mean) / sqrt(var + eps) * weight + bias

    The same while training and testing. A dense layer has no places to average over and is refused.

    Source: Ulyanov, Vedaldi and Lempitsky 2016, equation 4.

    >>> import torch
    >>> InstanceNorm().build(2, 1)(torch.tensor([[[1.0, 3.0], [10.0, 30.0]]])).round(decimals=2).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]
    """

    name: ClassVar[str] = "instance"
    takes_bias: ClassVar[bool] = True
    eps: Epsilon = 1e-5

    def build(self, width: int, num_axes: int) -> nn.Module:
        if num_axes == 0:
            raise law(
                "InstanceNorm.build(num_axes=...)",
                "needs images, because it averages over places",
                0,
                "Use norm='layer' for dense layers.",
            )
        kinds = {1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
        return kinds[num_axes](width, eps=self.eps, affine=True)
