"""The scale of inputs: what one common step size of gradient descent has to serve.

The Hessian of a first layer is, for squares and up to the slopes behind it, the second moment of its inputs with a
bias, E[x xᵀ]. What hurts is a *spread* of these moments, not values beyond some range: a z-score of 12, a count or a
one-hot entry is harmless. Thresholds:

UNEVEN 20: sizes 20 times apart are curvatures 400 times apart; the step that the large feature allows moves the small
one 400 times too slowly. Features in one unit (pixels, iris in cm) stay below 10.
OFFSET 20: a mean of 20 deviations makes bias and feature nearly one direction (condition about 400). Iris has 7.
LARGE 30: with weights of variance 1 / (3 D), PyTorch's start, the first pre-activations have deviation 17 and more:
tanh and sigmoid are flat there. Digits in 0..16 have 8.
SLOW 20: gradient descent needs 20 times as many steps on these inputs as on the same inputs standardised. Digits and
diabetes have 1, iris in cm 8, wine 25,000.
"""

import dataclasses
import math
from typing import Literal, TypeAlias, final

import numpy as np

from thalweg.diagnosis.audit.rows import Array, Given, by_feature, chosen, flat, standardised

Form: TypeAlias = Literal["standardised", "unit", "symmetric", "integers", "raw", "constant"]
UNEVEN, OFFSET, LARGE, SLOW = 20.0, 20.0, 30.0, 20.0
_PRESENT = 0.01  # a feature that leaves its commonest value in fewer rows hardly enters the moments: it sets no step
_SPARSE = 0.5  # share of values beside the commonest one, below which a feature is sparse
_REACHED = 0.1  # of the explicable square is left when descent counts as arrived
_SIDE = 400  # rows or columns whose Gram matrix is decomposed: some 50 ms


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class InputScale:
    """Hold how large the features of inputs are, and how unlike one another.

    `size` of a feature is its deviation; where more than half of its values are one value, as in sparse data and in
    the margins of images, it is how far the others lie from that. `slowdown` is the
    number of steps of gradient descent on a linear model over the same number for standardised inputs, None unless
    inputs are a table of mostly dense columns with targets.
    """

    form: Form
    means: Array  # (features,)
    deviations: Array  # (features,)
    sizes: Array  # (features,), NaN for features that do not vary or hardly ever leave their commonest value
    rms: float
    offset: float  # the largest |mean| / deviation among features that are not sparse
    condition: float  # of the centred covariance of the useful features
    condition_standardised: float  # of their correlations: what scaling cannot cure
    slowdown: float | None = None

    @property
    def spread(self) -> float:
        """Return the largest deviation over the smallest size: a sparse feature is never held for small."""
        useful = np.isfinite(self.sizes)
        return max(1.0, float(self.deviations[useful].max() / self.sizes[useful].min())) if useful.any() else 1.0

    @property
    def largest(self) -> int:
        useful = np.isfinite(self.sizes)
        return int(np.argmax(np.where(useful, self.deviations, -1.0))) if useful.any() else -1

    @property
    def smallest(self) -> int:
        return int(np.nanargmin(self.sizes)) if np.isfinite(self.sizes).any() else -1

    @property
    def uneven(self) -> bool:
        return self.spread > UNEVEN

    @property
    def off_centre(self) -> bool:
        return self.offset > OFFSET

    @property
    def large(self) -> bool:
        return self.rms > LARGE

    @property
    def slow(self) -> bool:
        return self.slowdown is not None and self.slowdown > SLOW


def measure_scale(x: Given, y: Given | None = None, *, axis: int | None = None) -> InputScale:
    """Measure the scale of inputs (N, ...); with targets (N,) or (N, K) of a table also what it costs descent.

    >>> round(measure_scale(np.array([[0.0, 1000.0], [1.0, 3000.0], [2.0, 2000.0]])).spread)
    1000
    """
    x_ND = by_feature(x, axis)
    means, deviations = x_ND.mean(0), x_ND.std(0)
    sizes, dense = _sizes(x_ND, deviations)
    useful = np.isfinite(sizes)
    offsets = np.abs(means[dense & useful]) / deviations[dense & useful]
    condition, floor = _conditions(x_ND[:, useful])
    table = (
        np.asarray(x).ndim == 2 and (dense & useful).sum() > useful.sum() / 2
    )  # standardising is no cure for sparse ones
    return InputScale(
        form=_form(x_ND, useful, means, deviations),
        means=means,
        deviations=deviations,
        sizes=sizes,
        rms=float(np.sqrt(np.mean(x_ND**2))),
        offset=float(offsets.max(initial=0.0)),
        condition=condition,
        condition_standardised=floor,
        slowdown=slowdown(x, y) if table and y is not None else None,
    )


def _sizes(x_ND: Array, deviations: Array) -> tuple[Array, np.ndarray]:
    away = x_ND - np.median(x_ND, axis=0)  # a value that more than half of the rows have is their median
    present = (away != 0).mean(0)
    varies = deviations > 1e-9 * np.abs(x_ND).max(0, initial=0.0)
    where_present = np.sqrt((away**2).sum(0) / np.maximum(1, (away != 0).sum(0)))
    dense = present >= _SPARSE
    sizes = np.where(dense, deviations, where_present)
    return np.where(varies & (present >= _PRESENT), sizes, np.nan), dense


def _form(x_ND: Array, useful: np.ndarray, means: Array, deviations: Array) -> Form:
    if not useful.any():
        return "constant"
    low, high = float(x_ND.min()), float(x_ND.max())
    alike = (np.abs(means[useful]) < 0.25) & (np.abs(deviations[useful] - 1) < 0.3)
    if alike.mean() > 0.9:
        return "standardised"
    if low >= 0 and high <= 1:
        return "unit"
    if low >= -1 and high <= 1 and low < -0.2:
        return "symmetric"
    return "integers" if bool((x_ND == np.round(x_ND)).all()) else "raw"


def _conditions(x_ND: Array) -> tuple[float, float]:
    """Return the condition numbers of covariance and correlations; infinite where rows or columns depend linearly."""
    if x_ND.shape[1] < 2 or len(x_ND) < 3:
        return 1.0, 1.0
    x_ND = x_ND[:, chosen(x_ND.shape[1], _SIDE, stream="condition")]
    pair = []
    for matrix in (x_ND - x_ND.mean(0), standardised(x_ND)):
        values = np.linalg.eigvalsh(matrix.T @ matrix)
        pair.append(float(values[-1] / values[0]) if values[0] > 1e-12 * values[-1] else math.inf)
    return pair[0], pair[1]


def slowdown(x: Given, y: Given) -> float | None:
    """Return how many times as many steps gradient descent takes on inputs as on the same inputs standardised.

    steps(x) = the least t with Σᵢ cᵢ² (1 - λᵢ / λ₁)²ᵗ ≤ 0.1 Σᵢ cᵢ², where λᵢ are the eigenvalues of the covariance and
    cᵢ is what direction i explains of the targets; directions that explain no more than noise would are left out. None
    where no direction explains anything. Gradient descent at rate 1 / λ₁ on squares of centred inputs does exactly
    this; what an offset adds is told apart, by `offset`.
    """
    rows = chosen(len(x))
    x_ND, _ = flat(np.asarray(x)[rows], width=_SIDE)
    y_NK = flat(np.asarray(y)[rows], width=32)[0]
    if np.asarray(y).dtype.kind in "iub" and y_NK.shape[1] == 1:
        y_NK = (y_NK == np.unique(y_NK)[:32]).astype(np.float64)
    y_NK = standardised(y_NK)
    raw, plain = _steps(x_ND, y_NK), _steps(standardised(x_ND), y_NK)
    return None if raw is None or plain is None else raw / plain


def _steps(x_ND: Array, y_NK: Array) -> float | None:
    num = len(x_ND)
    z_ND = x_ND - x_ND.mean(0)
    values, vectors = np.linalg.eigh(z_ND.T @ z_ND / num)
    kept = values > 1e-10 * values[-1]
    if num <= 2 * kept.sum():
        return None
    values, vectors = values[kept], vectors[:, kept]
    c_DK = (z_ND @ vectors).T @ y_NK / (num * np.sqrt(values)[:, None])
    noise = np.maximum(0.0, (y_NK**2).mean(0) - (c_DK**2).sum(0)) / (num - kept.sum())
    c_D = np.where(c_DK**2 > 9 * noise + 1e-12, c_DK**2, 0.0).sum(1)
    if c_D.sum() <= 0:
        return None
    return _arrival(1 - values / values[-1], c_D / c_D.sum())


def _arrival(kept: Array, share: Array) -> float:
    """Return the least t with Σ share · kept²ᵗ ≤ 0.1, by doubling and halving."""
    low, high = 0.0, 1.0
    while (share * kept ** (2 * high)).sum() > _REACHED and high < 1e12:
        low, high = high, 2 * high
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if (share * kept ** (2 * middle)).sum() > _REACHED else (low, middle)
    return max(1.0, high)
