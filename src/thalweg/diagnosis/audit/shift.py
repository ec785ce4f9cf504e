"""Whether validation rows come from where training rows come from, feature by feature and as whole rows.

A feature counts as shifted if two things hold: the two-sample Kolmogorov-Smirnov test, corrected for the number of
features, excludes one distribution (SURE 1e-3), *and* the shift is large: FAR 1 training
deviation and two standard errors between the centres or
APART 2, a factor between the deviations. Random splits fail the first, mild drift along time (up to half a deviation)
the second; a missing scaler, another scaler or an emptied column pass both by far.

The order of features is told by likeness: each validation feature is matched with the training feature of the nearest
quantiles, and a swap is one that explains everything: no feature is shifted once put back. SWAPPED 64 features are
tried at most.

Whole rows: the AUC of a model that tells training from validation rows, held out. It also sees what no single feature
shows, and whatever augmentation does to training rows only; hence it is a fact and makes nothing shifted.
"""

import dataclasses
from typing import final

import numpy as np

from thalweg.diagnosis.audit.held_out import folds, held_out
from thalweg.diagnosis.audit.rows import CAP, WIDTH, Array, Given, Index, by_feature, chosen

SURE, FAR, APART, SWAPPED = 1e-3, 1.0, 2.0, 64
_QUANTILES = np.linspace(0.025, 0.975, 20)
_WORST = 5
_SIDE = 500  # rows of each side that the whole-row model sees


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FeatureShift:
    """Hold how one feature differs: `move` of its centre in training deviations, `ratio` of deviations, validation over
    training. Each is the milder of what moments and what quantiles say, so that neither an outlier nor a flag decides.
    """

    feature: int
    statistic: float  # Kolmogorov-Smirnov
    p: float  # corrected for the number of features
    move: float
    ratio: float
    error: float  # standard error of a move by chance

    @property
    def shifted(self) -> bool:
        large = abs(self.move) > FAR + 2 * self.error or not 1 / APART <= self.ratio <= APART
        return self.p < SURE and large


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """Hold how validation inputs differ from training inputs, the worst features first."""

    num_features: int
    num_shifted: int
    worst: tuple[FeatureShift, ...]
    emptied: tuple[int, ...]  # features that vary in training and are one constant in validation
    order: tuple[int, ...] | None  # validation feature i holds training's feature order[i]; None: as it should be
    auc: float  # of telling training from validation rows, held out; NaN where not asked for
    auc_error: float  # standard error of an AUC of one half

    @property
    def shifted(self) -> bool:
        return self.num_shifted > 0 or self.order is not None

    @property
    def told_apart(self) -> bool:
        """Say whether whole rows of the two sides are told apart beyond doubt; augmentation does this, too."""
        return self.auc > max(0.75, 0.5 + 4 * self.auc_error)


def measure_shift(x_train: Given, x_validation: Given, *, axis: int | None = None, rows: bool = True) -> Shift | None:
    """Compare inputs (N, ...) with inputs (M, ...); None with under 20 rows on one side or unlike shapes.

    `axis` holds the features, as in `measure_scale`; `rows=False` spares the model of whole rows (0.1 s).
    """
    x_train, x_validation = np.asarray(x_train), np.asarray(x_validation)
    if min(len(x_train), len(x_validation)) < 20 or x_train.shape[1:] != x_validation.shape[1:]:
        return None
    seen = by_feature(x_train[chosen(len(x_train))], axis)
    held = by_feature(x_validation[chosen(len(x_validation))], axis)
    features = chosen(seen.shape[1], WIDTH, stream="columns")
    seen, held = seen[:, features], held[:, features]
    # positions within one row are no independent values: significance counts rows
    sizes = (min(CAP, len(x_train)), min(CAP, len(x_validation)))
    found = compare(seen, held, sizes, features)
    moved = [one for one in found if one.shifted]
    auc, error = _auc(x_train, x_validation) if rows else (np.nan, np.nan)
    return Shift(
        num_features=len(features),
        num_shifted=len(moved),
        worst=tuple(sorted(found, key=_badness, reverse=True)[:_WORST]),
        emptied=tuple(one.feature for one in moved if one.ratio == 0.0),
        order=_order(seen, held, found, sizes) if len(found) < WIDTH else None,
        auc=auc,
        auc_error=error,
    )


def compare(seen_ND: Array, held_MD: Array, sizes: tuple[int, int], names: Index | None = None) -> list[FeatureShift]:
    """Return how each feature, with its number among `names`, differs between samples of so many independent rows."""
    num = seen_ND.shape[1]
    deep = np.sqrt(sizes[0] * sizes[1] / sum(sizes))
    moves, ratios = _moments(seen_ND, held_MD)
    middle_moves, middle_ratios = _middles(seen_ND, held_MD)
    found = []
    for k in range(num):
        statistic = distance(seen_ND[:, k], held_MD[:, k])
        found.append(
            FeatureShift(
                feature=k if names is None else int(names[k]),
                statistic=statistic,
                # Stephens (1970): the asymptotic law holds for small samples with this correction
                p=min(1.0, num * kolmogorov((deep + 0.12 + 0.11 / deep) * statistic)),
                move=_milder(float(moves[k]), float(middle_moves[k])),
                ratio=1 + _milder(float(ratios[k]) - 1, float(middle_ratios[k]) - 1),
                error=1 / float(deep),
            )
        )
    return found


def _moments(seen_ND: Array, held_MD: Array) -> tuple[Array, Array]:
    """Return the moves of the means in training deviations, and the ratios of deviations; inf where nothing varied."""
    tiny = 1e-9 * np.maximum(np.abs(seen_ND).max(0), np.abs(held_MD).max(0)) + 1e-300
    a, b = (np.where(x.std(0) > tiny, x.std(0), 0.0) for x in (seen_ND, held_MD))
    moves = (held_MD.mean(0) - seen_ND.mean(0)) / np.where(a > 0, a, np.maximum(b, tiny))
    ratios = np.where(a > 0, b / np.where(a > 0, a, 1.0), np.where(b > 0, np.inf, 1.0))
    return moves, ratios


def _middles(seen_ND: Array, held_MD: Array) -> tuple[Array, Array]:
    """Return the same by medians and 10 % to 90 % ranges; NaN for features that hardly vary there, as rare flags."""
    a, b = (np.quantile(x, [0.1, 0.5, 0.9], axis=0) for x in (seen_ND, held_MD))
    range_a, range_b = a[2] - a[0], b[2] - b[0]
    useful = range_a > 1e-9 * (np.abs(a).max(0) + 1e-300)
    unit = np.where(useful, range_a, 1.0)
    normal = 2.563  # the range in deviations of a normal distribution
    return np.where(useful, (b[1] - a[1]) * normal / unit, np.nan), np.where(useful, range_b / unit, np.nan)


def _milder(first: float, second: float) -> float:
    """Return the value nearer to zero, zero if they disagree about the side; the first where the second is NaN."""
    if np.isnan(second):
        return first
    return 0.0 if first * second < 0 else first if abs(first) < abs(second) else second


def distance(a: Array, b: Array) -> float:
    """Return the Kolmogorov-Smirnov statistic: the largest difference of the two distribution functions.

    >>> distance(np.array([0.0, 1.0, 1.0, 2.0]), np.array([2.0, 3.0]))
    0.75
    """
    a, b = np.sort(a), np.sort(b)
    both = np.sort(np.concatenate([a, b]))
    below_a = np.searchsorted(a, both, side="right") / len(a)
    below_b = np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())


def kolmogorov(value: float) -> float:
    """Return the chance that Kolmogorov's variable exceeds a value: 2 Σₖ (-1)ᵏ⁻¹ exp(-2 k² value²).

    >>> round(kolmogorov(1.3581), 4)
    0.05
    """
    if value < 0.2:
        return 1.0
    k = np.arange(1, 101)
    return float(np.clip(2 * ((-1.0) ** (k - 1) * np.exp(-2 * (k * value) ** 2)).sum(), 0.0, 1.0))


def _badness(one: FeatureShift) -> tuple[bool, float, float]:
    spread = abs(float(np.log(min(max(one.ratio, 1e-9), 1e9))))
    return one.shifted, float(one.p < SURE), abs(one.move) + spread if one.p < SURE else one.statistic


def _order(seen: Array, held: Array, found: list[FeatureShift], sizes: tuple[int, int]) -> tuple[int, ...] | None:
    """Return which training feature each validation feature is, if that explains why two or more differ."""
    differ = [one.feature for one in found if one.p < SURE]
    if not 2 <= len(differ) <= SWAPPED:
        return None
    a = np.quantile(seen[:, differ], _QUANTILES, axis=0)
    b = np.quantile(held[:, differ], _QUANTILES, axis=0)
    unit = seen[:, differ].std(0) + 1e-12
    cost = (np.abs(b[:, :, None] - a[:, None, :]) / unit).mean(0)
    place = cost.argmin(1)
    if len(set(place)) < len(place) or (place == np.arange(len(place))).any():
        return None
    back = [differ[int(k)] for k in place]
    again = compare(seen[:, back], held[:, differ], sizes)
    if any(one.p < SURE for one in again):
        return None
    order = list(range(len(found)))
    for feature, source in zip(differ, back, strict=True):
        order[feature] = source
    return tuple(order)


def _auc(x_train: Given, x_validation: Given) -> tuple[float, float]:
    """Return the best held-out AUC of quick models for the side of a row, and an AUC's standard error by chance."""
    seen = x_train[chosen(len(x_train), _SIDE, stream="sides")]
    held = x_validation[chosen(len(x_validation), _SIDE, stream="sides")]
    x = np.concatenate([_described(seen), _described(held)])
    side = np.repeat([0, 1], [len(seen), len(held)])
    guess = held_out(x, np.eye(2)[side], folds(len(x), 3, labels=side), classed=True)
    error = float(np.sqrt((len(x) + 1) / (12 * len(seen) * len(held))))
    return max(auc(score[:, 1], side) for score in guess.by_model.values()), error


def _described(x: Given) -> Array:
    """Return rows flat, with the mean, deviation and ends of each row beside its entries."""
    rows = x.reshape(len(x), -1)
    rows = rows[:, chosen(rows.shape[1], 256, stream="columns")].astype(np.float64)
    rows = np.where(np.isfinite(rows), rows, 0.0)
    return np.concatenate([rows, np.stack([rows.mean(1), rows.std(1), rows.min(1), rows.max(1)], axis=1)], axis=1)


def auc(score: Array, positive: Given) -> float:
    """Return the area under the ROC curve by ranks, ties counted half (Mann and Whitney 1947).

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
    0.75
    """
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place.reshape(-1)]
    num = int(np.sum(positive))
    others = len(score) - num
    return (
        float((rank[np.asarray(positive) == 1].sum() - num * (num + 1) / 2) / (num * others)) if num and others else 0.5
    )
