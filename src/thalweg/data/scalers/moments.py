"""Means, variances and covariances of data that come in pieces, in float64.

Pieces are merged by the pairwise formula of Chan, Golub and LeVeque (1983), which does not cancel as E[x²] -
E[x]² does.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Per: TypeAlias = Literal["feature", "channel"]


def shared_axes(ndim: int, per: Per) -> tuple[int, ...]:
    """Return the axes over which one constant holds.

    Always the examples, the positions of a sequence (N, L, D) and, per channel, the pixels of an image (N, C,
    H, W).
    """
    if ndim == 4 and per == "channel":
        return (0, 2, 3)
    return (0, 1) if ndim == 3 else (0,)


def mean_and_variance(chunks: Iterable[Tensor], per: Per) -> tuple[Tensor, Tensor]:
    """Return mean and variance (divided by N), shaped so that they broadcast against one example."""
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for chunk in chunks:
        x = chunk.to(torch.float64)
        axes = shared_axes(x.ndim, per)
        new_mean = x.mean(dim=axes, keepdim=True)
        new = x.numel() // max(1, new_mean.numel())
        new_scatter = (x - new_mean).square().sum(dim=axes, keepdim=True)
        delta = new_mean - mean
        total = count + new
        scatter = new_scatter + scatter + delta.square() * (count * new / total)
        mean = mean + delta * (new / total)
        count = total
    return mean.squeeze(0), (scatter / max(1, count)).squeeze(0)


def mean_and_covariance(chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor, int]:
    """Return mean (D,), covariance (D, D) divided by N - 1, and N, of flattened inputs."""
    count, mean, scatter = 0, torch.zeros(()), torch.zeros(())
    for chunk in chunks:
        x = chunk.flatten(1).to(torch.float64)
        new_mean = x.mean(dim=0)
        centred = x - new_mean
        delta = new_mean - mean
        total = count + len(x)
        scatter = scatter + centred.T @ centred + torch.outer(delta, delta) * (count * len(x) / total)
        mean = mean + delta * (len(x) / total)
        count = total
    return mean, scatter / max(1, count - 1), count
