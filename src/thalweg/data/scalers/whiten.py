"""Whitening: inputs without correlation and with variance 1, along their axes or near the original.

Let Σ = V diag(λ) Vᵀ be the covariance of the training inputs x - mean.
PCA gives (x - mean) V diag(λ + eps)^(-1/2).
ZCA turns that back: (x - mean) V diag(λ + eps)^(-1/2) Vᵀ.
"""

import dataclasses
from collections.abc import Iterable
from typing import Annotated, ClassVar, TypeAlias, final

import torch
from torch import Tensor

from thalweg.core import DataError, Knob
from thalweg.core.errors import law
from thalweg.data.scalers.base import Fitted, Scaler
from thalweg.data.scalers.moments import mean_and_covariance

_FLAT = 1e-12  # a direction with less than this share of the largest variance is rounding, not signal
_MOST_FEATURES = 8192  # its covariance takes half a gigabyte, its eigenvectors minutes

Eps: TypeAlias = Annotated[
    float, Knob("added to each variance; more of it whitens less", "[0, inf)", 1e-8, 1.0, log=True)
]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WhitenPCA(Scaler):
    """Turn inputs onto their principal axes, each with variance 1; the result is flat, (B, num_components).

    Directions without variance are left out.
    """

    name: ClassVar[str] = "pca"
    num_components: Annotated[int | None, Knob("how many axes to keep", "[1, inf)", 2, 256, log=True)] = None
    eps: Eps = 1e-6

    def fit(self, chunks: Iterable[Tensor]) -> Fitted:
        mean, values, vectors = _principal_axes(chunks)
        kept = min(self.num_components or len(values), len(values))
        if self.num_components is not None and self.num_components > kept:
            cure = f"the training inputs vary in {kept} directions only."
            raise law("WhitenPCA(num_components=...)", f"must be at most {kept}", self.num_components, cure)
        return {"mean": mean, "matrix": vectors[:, :kept] / (values[:kept] + self.eps).sqrt()}

    def apply(self, x: Tensor, fitted: Fitted) -> Tensor:
        return ((x.flatten(1).to(torch.float64) - fitted["mean"]) @ fitted["matrix"]).to(torch.float32)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WhitenZCA(Scaler):
    """Whiten and turn back, so that an image still looks like an image; the shape stays."""

    name: ClassVar[str] = "zca"
    eps: Eps = 1e-6

    def fit(self, chunks: Iterable[Tensor]) -> Fitted:
        mean, values, vectors = _principal_axes(chunks)
        return {"mean": mean, "matrix": (vectors / (values + self.eps).sqrt()) @ vectors.T}

    def apply(self, x: Tensor, fitted: Fitted) -> Tensor:
        white = (x.flatten(1).to(torch.float64) - fitted["mean"]) @ fitted["matrix"]
        return white.reshape(x.shape).to(torch.float32)


def _principal_axes(chunks: Iterable[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean (D,), variances (K,) from the largest down, and axes (D, K); K of them vary."""
    mean, covariance, count = mean_and_covariance(_narrow(chunks))
    if count < 2:
        raise DataError(f"whitening needs at least two training examples, got {count}; bring more.")
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0), vectors.flip(1)
    kept = int((values > _FLAT * values[0]).sum()) if values[0] > 0 else 0
    if not kept:
        raise DataError("whitening needs inputs that vary, but all training examples are the same.")
    values, vectors = values[:kept], vectors[:, :kept]
    # An axis has no sign of its own; fix it, so that the same data give the same inputs on every machine.
    largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
    return mean, values, vectors * largest.sign()


def _narrow(chunks: Iterable[Tensor]) -> Iterable[Tensor]:
    for chunk in chunks:
        width = chunk[0].numel()
        if width > _MOST_FEATURES:
            cure = "use smaller images or the scaler `standardise`"
            raise DataError(f"whitening takes at most {_MOST_FEATURES} features, got {width}; {cure}.")
        yield chunk
