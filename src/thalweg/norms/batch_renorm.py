"""Batch renormalisation."""

import dataclasses
import functools
from typing import Annotated, ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thalweg.core import Knob
from thalweg.norms.base import Epsilon, FeatureNorm, Momentum
from thalweg.norms.batch import check_batch


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BatchRenorm(FeatureNorm):
    """Normalise by the batch, then correct towards the moving averages, so that training sees what a test will see.

    r = clip(std / running_std, 1 / r_now, r_now);  d = clip((mean - running_mean) / running_std, -d_now, d_now)
    y = ((x - mean) / std * r + d) * weight + bias,  std = sqrt(var + eps)
    r_now = 1 + (r_max - 1) * share;  d_now = d_max * share;  share = clip((count - hold) / ramp, 0, 1)

    No gradient goes through r and d. `count` is a buffer that counts batches; before `hold` of them it is batch norm.
    A test uses the moving averages, of the deviation and not of the variance.

    Source: Ioffe 2017, algorithm 1. There r_max and d_max rise at their own times, after 5,000 steps of 160,000, and
    momentum is 0.01; here they rise together, sooner, and momentum is 0.1.

    >>> layer, x = BatchRenorm(hold=0, ramp=1).build(1, 0), torch.tensor([[1.0], [5.0]])
    >>> layer(x).detach().flatten(), layer(x).detach().flatten()
    (tensor([-1.0000,  1.0000]), tensor([0.6364, 4.2727]))
    """

    name: ClassVar[str] = "batch-renorm"
    takes_bias: ClassVar[bool] = True
    momentum: Momentum = 0.1
    eps: Epsilon = 1e-5
    r_max: Annotated[float, Knob("bound of the correction of the scale", "[1, inf)", low=1, high=5)] = 3.0
    d_max: Annotated[float, Knob("bound of the correction of the mean", "[0, inf)", low=0, high=10)] = 5.0
    hold: Annotated[int, Knob("batches of plain batch norm", "[0, inf)", low=0, high=5000, unit="batches")] = 100
    ramp: Annotated[int, Knob("batches over which the bounds rise", "[1, inf)", low=1, high=40000, unit="batches")] = (
        400
    )

    def build(self, width: int, num_axes: int) -> nn.Module:
        return BatchRenormLayer(self, width)


class BatchRenormLayer(nn.Module):
    """Do what `BatchRenorm` says; features lie on axis 1."""

    running_mean: Tensor
    running_std: Tensor
    num_batches_tracked: Tensor

    def __init__(self, spec: BatchRenorm, width: int) -> None:
        super().__init__()
        _leave_out_of_graphs()
        self.spec = spec
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_std", torch.ones(width))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return self._normalise(x)
        # eps is part of running_std
        return F.batch_norm(x, self.running_mean, self.running_std.square(), self.weight, self.bias, eps=0.0)

    def _normalise(self, x: Tensor) -> Tensor:
        check_batch(x)
        r, d = self._correction(x.detach().to(self.running_mean.dtype))
        weight, bias = self.weight * r, self.weight * d + self.bias
        return F.batch_norm(x, None, None, weight, bias, training=True, eps=self.spec.eps)

    def _correction(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return r and d, and move the averages on."""
        var, mean = torch.var_mean(x, [0, *range(2, x.ndim)], correction=0)
        std = (var + self.spec.eps).sqrt()
        share = ((self.num_batches_tracked - self.spec.hold) / self.spec.ramp).clamp(0, 1).to(std.dtype)
        r_now, d_now = 1 + (self.spec.r_max - 1) * share, self.spec.d_max * share
        r = (std / self.running_std).minimum(r_now).maximum(1 / r_now)
        d = ((mean - self.running_mean) / self.running_std).minimum(d_now).maximum(-d_now)
        self.running_mean.add_(mean - self.running_mean, alpha=self.spec.momentum)
        self.running_std.add_(std - self.running_std, alpha=self.spec.momentum)
        self.num_batches_tracked.add_(1)
        return r, d

    def extra_repr(self) -> str:
        spec = self.spec
        return f"{len(self.weight)}, momentum={spec.momentum}, r_max={spec.r_max}, d_max={spec.d_max}"


@functools.cache
def _leave_out_of_graphs() -> None:
    """Keep torch.compile from working r out again in the backward pass, from averages that have moved on by then.

    Done when the first layer is built: it imports the compiler, which takes a second.
    """
    BatchRenormLayer._correction = torch.compiler.disable(BatchRenormLayer._correction)  # type: ignore[method-assign]
