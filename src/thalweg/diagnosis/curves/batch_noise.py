"""How much of what is seen is the noise of mini-batches: in the loss, and in the gradient.

Thresholds: none, both are measurements. With a batch far below the noise scale a step is mostly noise; far above it,
more examples tell a step nothing new.
"""

import dataclasses
import math

import numpy as np
from numpy.typing import ArrayLike

from thalweg.core import law
from thalweg.diagnosis.curves.windows import FEWEST, finite
from thalweg.findings.noise import Noise


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossNoise:
    """Hold how much of a loss's variance is noise from step to step, over the whole run and over its last half."""

    sigma: float  # of the last half
    share: float
    late_share: float
    relative: float  # sigma over the level of the last half; NaN for losses that go below zero


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GradientNoise:
    """Hold the simple noise scale: the batch at which the noise of a gradient is as large as the gradient."""

    signal: float  # estimate of |G|², the squared norm of the true gradient
    noise: float  # estimate of tr Σ, the summed variance of one example's gradient
    scale: float  # tr Σ / |G|²; inf where the signal cannot be told from zero
    interval: tuple[float, float]  # of the scale, by leaving one look out (two standard errors); (0, inf) with one look
    looks: int


def loss_noise(loss: ArrayLike) -> LossNoise | None:
    """Return how much of a loss's variance is mini-batch noise; None below five finite values."""
    _, values = finite(loss)
    if len(values) < FEWEST:
        return None
    late = values[len(values) // 2 :]
    sigma = Noise(late).sigma if len(late) > 2 else Noise(values).sigma
    shares = [
        min(1.0, Noise(v).sigma ** 2 / max(float(v.var()), 1e-300)) if len(v) > 2 else 1.0 for v in (values, late)
    ]
    level = float(np.median(late))
    return LossNoise(
        sigma=sigma, share=shares[0], late_share=shares[1],
        relative=sigma / level if values.min() >= 0 and level > 0 else math.nan,
    )  # fmt: skip


def gradient_noise(small: ArrayLike, big: ArrayLike, *, batch_small: int, batch_big: int) -> GradientNoise:
    """Estimate the simple noise scale from gradient norms of small and of big batches at the same weights.

    |G|² = (B|g_B|² - b|g_b|²) / (B - b), tr Σ = (|g_b|² - |g_B|²) / (1/b - 1/B), scale = tr Σ / |G|², with b and B the
    batches and the squares averaged over looks before the division, which would bias it.

    Raises UsageError unless 0 < batch_small < batch_big and the norms come in pairs.

    Source: McCandlish, Kaplan, Amodei and the OpenAI Dota team 2018, appendix A.1. The interval is ours.

    >>> gradient_noise([3.0], [2.0], batch_small=1, batch_big=4).noise
    6.666666666666667
    """
    if not 0 < batch_small < batch_big:
        raise law("gradient_noise(batch_small=...)", "must lie between 0 and `batch_big`", batch_small,
                  f"Give the smaller of two batches first; batch_big is {batch_big}.")  # fmt: skip
    b, big_b = float(batch_small), float(batch_big)
    few, many = (np.asarray(norm, dtype=np.float64).reshape(-1) ** 2 for norm in (small, big))
    if len(few) != len(many) or not len(few):
        raise law("gradient_noise(small=..., big=...)", "must be as many norms of each", (len(few), len(many)),
                  "Measure both batches at the same weights.")  # fmt: skip
    signal = (big_b * many - b * few) / (big_b - b)
    noise = (few - many) / (1 / b - 1 / big_b)
    g, s = float(signal.mean()), float(noise.mean())
    n = len(few)
    return GradientNoise(
        signal=g,
        noise=s,
        scale=_ratio(s, g),
        looks=n,
        interval=_leaving_one_out(signal, noise) if n > 2 else (0.0, math.inf),
    )


def _ratio(noise: float, signal: float) -> float:
    return max(noise, 0.0) / signal if signal > 0 else math.inf


def _leaving_one_out(signal: ArrayLike, noise: ArrayLike) -> tuple[float, float]:
    g, s = np.asarray(signal), np.asarray(noise)
    n = len(g)
    rest_g, rest_s = (g.sum() - g) / (n - 1), (s.sum() - s) / (n - 1)
    if float(rest_g.min()) <= 0:
        return 0.0, math.inf
    found = np.maximum(rest_s, 0) / rest_g
    spread = 2 * math.sqrt((n - 1) / n * float(((found - found.mean()) ** 2).sum()))
    middle = _ratio(float(s.mean()), float(g.mean()))
    return max(0.0, middle - spread), middle + spread
