"""Scalers that treat each feature, or each channel, by itself."""

import dataclasses
from collections.abc import Iterable
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob, UsageError
from thalweg.data.scalers.base import Fitted, Scaler
from thalweg.data.scalers.moments import Per, mean_and_variance, shared_axes

_NO_SPREAD = 10 * torch.finfo(torch.float64).eps  # a deviation below this share of the mean is rounding


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NoScale(Scaler):
    """Leave inputs as they are."""

    name: ClassVar[str] = "none"

    def fit(self, chunks: Iterable[Tensor]) -> Fitted:
        return {}

    def apply(self, x: Tensor, fitted: Fitted) -> Tensor:
        return x.to(torch.float32)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Centre(Scaler):
    """Subtract the mean: x - mean."""

    name: ClassVar[str] = "centre"
    per: Per = "feature"

    def fit(self, chunks: Iterable[Tensor]) -> Fitted:
        mean, _ = mean_and_variance(chunks, self.per)
        return {"mean": mean}

    def apply(self, x: Tensor, fitted: Fitted) -> Tensor:
        return (x.to(torch.float64) - fitted["mean"]).to(torch.float32)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Standardise(Scaler):
    """Give mean 0 and variance 1: (x - mean) / deviation; what is constant becomes 0."""

    name: ClassVar[str] = "standardise"
    per: Per = "feature"

    def fit(self, chunks: Iterable[Tensor]) -> Fitted:
        mean, variance = mean_and_variance(chunks, self.per)
        return {"mean": mean, "deviation": _no_zeros(variance.sqrt(), mean)}

    def apply(self, x: Tensor, fitted: Fitted) -> Tensor:
        return ((x.to(torch.float64) - fitted["mean"]) / fitted["deviation"]).to(torch.float32)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MinMax(Scaler):
    """Stretch the training range onto [low, high]; new data may lie outside."""

    name: ClassVar[str] = "min-max"
    per: Per = "feature"
    low: Annotated[float, Knob("where the smallest value goes", "(-inf, inf)", -1, 0)] = 0.0
    high: Annotated[float, Knob("where the largest value goes", "(-inf, inf)", 0.5, 1)] = 1.0

    def check(self) -> None:
        if self.low >= self.high:
            raise UsageError(f"`MinMax(low=..., high=...)` needs low < high, got {self.low} and {self.high}.")

    def fit(self, chunks: Iterable[Tensor]) -> Fitted:
        smallest: Tensor | None = None
        largest: Tensor | None = None
        for chunk in chunks:
            x = chunk.to(torch.float64)
            axes = shared_axes(x.ndim, self.per)
            least, most = x.amin(dim=axes, keepdim=True), x.amax(dim=axes, keepdim=True)
            smallest = least if smallest is None else torch.minimum(smallest, least)
            largest = most if largest is None else torch.maximum(largest, most)
        if smallest is None or largest is None:
            return {"smallest": torch.zeros(()), "span": torch.ones(())}
        return {"smallest": smallest.squeeze(0), "span": _no_zeros(largest - smallest, largest).squeeze(0)}

    def apply(self, x: Tensor, fitted: Fitted) -> Tensor:
        share = (x.to(torch.float64) - fitted["smallest"]) / fitted["span"]
        return (self.low + share * (self.high - self.low)).to(torch.float32)


def _no_zeros(spread: Tensor, level: Tensor) -> Tensor:
    """Put 1 where a feature is constant, so that it is shifted but never divided by nothing."""
    return torch.where(spread <= _NO_SPREAD * level.abs(), 1.0, spread)
