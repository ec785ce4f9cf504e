"""How large steps are beside the weights they change, parameter by parameter, over the looks of a run.

Thresholds
- SMALL -6 and LARGE -1 for log10 of update over weight: a rule of thumb says -3; a millionth needs a million steps to
  change a weight by its own size (and is near the resolution of float32, 6e-8), a tenth rewrites it in ten steps.
- PERSISTENT 0.8 of the looks of the run's last two thirds, and at least 3: a bias that starts at zero has a ratio of
  infinity at first, and every schedule ends in tiny steps; looks below a hundredth of the peak rate are left out.
- GREW 10: a weight that grew ten-fold over the looks is one that began at (almost) nothing; it is not called large.
- RUNAWAY: updates grow ten-fold while gradients shrink ten-fold, with rank correlations of 0.7 over time (once in a
  hundred for 10 looks without any trend, for each of the two).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from thalweg.core import law
from thalweg.diagnosis.curves.windows import FloatArray

SMALL, LARGE = -6.0, -1.0
PERSISTENT = 0.8
GREW = 10.0
RUNAWAY = 10.0
RANK = 0.7
NEGLIGIBLE_RATE = 0.01
_FEWEST = 3
_FEWEST_FOR_A_TREND = 8


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UpdateRatio:
    """Hold the sizes of one parameter's steps: log10 of update over weight."""

    name: str
    looks: int
    median: float  # over the last two thirds of the looks; -inf for a parameter that did not move
    small_share: float  # of those looks, below -6
    large_share: float  # of those looks, above -1
    unmoved: bool  # not a single update
    grew: float  # the weight's norm at the last look over that at the first

    @property
    def too_small(self) -> bool:
        """Tell whether the parameter moved, but by next to nothing, in nearly all looks."""
        return not self.unmoved and self.looks >= _FEWEST and self.small_share >= PERSISTENT

    @property
    def too_large(self) -> bool:
        """Tell whether the parameter was rewritten again and again."""
        return self.looks >= _FEWEST and self.large_share >= PERSISTENT and self.grew <= GREW


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Runaway:
    """Hold how steps and gradients of a parameter went over the looks: factors from the first to the last quarter."""

    update_growth: float
    gradient_shrink: float
    update_rank: float  # Spearman's correlation of the update's norm with time
    gradient_rank: float
    looks: int

    @property
    def runs_away(self) -> bool:
        """Tell whether steps grow while gradients shrink."""
        factors = self.update_growth >= RUNAWAY and self.gradient_shrink >= RUNAWAY
        return factors and self.update_rank >= RANK and self.gradient_rank <= -RANK


def update_ratios(
    names: Sequence[str], weights: ArrayLike, updates: ArrayLike, *, rates: ArrayLike | None = None
) -> tuple[UpdateRatio, ...]:
    """Return update over weight for each parameter; `weights` and `updates` are (looks, parameters).

    Norms or root mean squares, the same for both; NaN is a look at which it was not taken. `rates` are those of the
    looks; looks at hardly any rate are left out, and parameters whose weights are all zero or never looked at.

    Raises UsageError unless the shapes agree.

    >>> update_ratios(["w"], [[1.0]] * 4, [[1e-3]] * 4)[0].median
    -3.0
    """
    w_LP, u_LP = (np.asarray(a, dtype=np.float64) for a in (weights, updates))
    if w_LP.ndim != 2 or w_LP.shape != u_LP.shape or w_LP.shape[1] != len(names):
        raise law("update_ratios(weights=..., updates=...)", "must both be (looks, parameters)",
                  (w_LP.shape, u_LP.shape, len(names)), "Give one row a look, one column a name.")  # fmt: skip
    if rates is not None:
        rate_L = np.abs(np.asarray(rates, dtype=np.float64).reshape(-1))
        kept = rate_L >= NEGLIGIBLE_RATE * np.nanmax(rate_L) if len(rate_L) == len(w_LP) and len(rate_L) else ...
        w_LP, u_LP = w_LP[kept], u_LP[kept]
    found = (_ratio(name, w_LP[:, p], u_LP[:, p]) for p, name in enumerate(names))
    return tuple(ratio for ratio in found if ratio is not None)


def _ratio(name: str, weight: FloatArray, update: FloatArray) -> UpdateRatio | None:
    known = np.isfinite(weight) & np.isfinite(update) & (weight > 0)
    w, u = weight[known], update[known]
    if not len(w):
        return None
    late = slice(len(w) // 3, None)
    with np.errstate(divide="ignore"):
        log = np.log10(u[late] / w[late])
    return UpdateRatio(
        name=name, looks=len(log), median=float(np.median(log)), small_share=float(np.mean(log < SMALL)),
        large_share=float(np.mean(log > LARGE)), unmoved=not u.any(), grew=float(w[-1] / w[0]),
    )  # fmt: skip


def runaway(updates: ArrayLike, gradients: ArrayLike) -> Runaway | None:
    """Return how the norms of updates and gradients of one parameter (or of all) went; None below eight looks."""
    u, g = (np.asarray(a, dtype=np.float64).reshape(-1) for a in (updates, gradients))
    known = np.isfinite(u) & np.isfinite(g) & (u > 0) & (g > 0)
    u, g = u[known], g[known]
    n = len(u)
    if n < _FEWEST_FOR_A_TREND:
        return None
    quarter = max(2, n // 4)
    return Runaway(
        update_growth=float(np.median(u[-quarter:]) / np.median(u[:quarter])),
        gradient_shrink=float(np.median(g[:quarter]) / np.median(g[-quarter:])),
        update_rank=rank_correlation(np.arange(n), u), gradient_rank=rank_correlation(np.arange(n), g), looks=n,
    )  # fmt: skip


def rank_correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Return Spearman's correlation; 0 where one of the two is constant. Ties get their mean rank."""
    a, b = _ranks(np.asarray(x, dtype=np.float64)), _ranks(np.asarray(y, dtype=np.float64))
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _ranks(v: FloatArray) -> FloatArray:
    _, place, count = np.unique(v, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return np.asarray((last - (count - 1) / 2)[place], dtype=np.float64)
