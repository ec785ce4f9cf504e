"""One column that gives the answer away, and is worth nothing where it counts.

Each column alone predicts targets by the mean of its bins, each row left out of its own bin. PERFECT 0.98: skill of one
column in training, from 0 for a constant to 1 (accuracy over the majority's for classes, R² for real targets). AHEAD
0.1: all other columns together stay that far behind. LOST 0.5: on validation rows the column keeps less than half of
its skill, or has become a constant. A column that tells everything on both sides is a fact about the data (a rule with
one variable, or a leak that validation shares): `alone` says so, `leaks` does not.
"""

import dataclasses
from typing import final

import numpy as np

from thalweg.diagnosis.audit.held_out import folds, held_out
from thalweg.diagnosis.audit.rows import Array, Given, Index, chosen
from thalweg.diagnosis.audit.targets import labels_of, numbers_of

PERFECT, AHEAD, LOST = 0.98, 0.1, 0.5
_BINS, _PER_BIN, _OTHERS = 128, 8, 1500
_WIDEST = 512  # columns that are looked at


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """Hold how well one column alone predicts targets, and all others together."""

    column: int
    skill: float  # in training, 0 a constant to 1 perfect
    others: float  # held-out skill of the best quick model on the other columns
    validation: float | None  # skill there of what was learnt in training; None without validation targets
    varies: bool | None  # whether the column varies in validation as it does in training; None without such rows

    @property
    def alone(self) -> bool:
        """Say whether the column tells nearly everything and the others do not."""
        return self.skill > PERFECT and self.others < self.skill - AHEAD

    @property
    def leaks(self) -> bool:
        """Say whether the column tells everything in training and little or nothing in validation."""
        lost = self.varies is False or (self.validation is not None and self.validation < LOST * self.skill)
        return self.alone and lost


def find_telling_column(
    x: Given, y: Given, x_validation: Given | None = None, y_validation: Given | None = None
) -> Column | None:
    """Find the column of a table (N, D) that alone predicts targets (N,) best; None for one column or under 50 rows."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 2 or not 2 <= x.shape[1] <= _WIDEST or len(x) < 50:
        return None
    rows = chosen(len(x))
    x, y = np.where(np.isfinite(x[rows]), x[rows], 0.0), np.asarray(y)[rows]
    classes = _classes(y)
    y_NK = _numbers(y, classes)
    if y_NK is None:
        return None
    skills = [_skill(_from_bins(x[:, k], y_NK), y_NK, classed=classes is not None) for k in range(x.shape[1])]
    best = int(np.argmax(skills))
    validation, varies = None, None
    if x_validation is not None:
        new = np.asarray(x_validation, dtype=np.float64)
        new = np.where(np.isfinite(new), new, 0.0)[:, best]
        varies = bool(new.std() > 0.01 * x[:, best].std())
        new_numbers = None if y_validation is None else _numbers(np.asarray(y_validation), classes)
        if new_numbers is not None:
            validation = _skill(_into_bins(x[:, best], y_NK, new), new_numbers, classed=classes is not None)
    return Column(
        column=best,
        skill=skills[best],
        others=_others(np.delete(x, best, axis=1), y_NK, classes is not None) if skills[best] > PERFECT else np.nan,
        validation=validation,
        varies=varies,
    )


def _classes(y: Given) -> Index | None:
    labels = labels_of(y)
    return None if labels is None else np.unique(labels)


def _numbers(y: Given, classes: Index | None) -> Array | None:
    """Return targets as indicators of given classes or as one standardised column; None where they do not vary."""
    if classes is not None:
        labels = labels_of(y)
        labels = np.asarray(y).reshape(len(y)).astype(np.int64) if labels is None else labels
        return (labels[:, None] == classes).astype(np.float64) if len(classes) > 1 else None
    y_NK = numbers_of(y)
    return y_NK if y_NK.shape[1] == 1 and y_NK.std() > 0 else None


def _skill(guess: Array, y_NK: Array, *, classed: bool) -> float:
    if classed:
        chance = float(y_NK.mean(0).max())
        right = float((guess.argmax(1) == y_NK.argmax(1)).mean())
        return (right - chance) / (1 - chance) if chance < 1 else 0.0
    scatter = float(((y_NK - y_NK.mean(0)) ** 2).sum())
    return 1 - float(((guess - y_NK) ** 2).sum()) / scatter if scatter > 0 else 0.0


def _edges(v: Array) -> Array:
    """Return the edges between bins of about equally many rows; equal values share a bin."""
    num = min(_BINS, max(2, len(v) // _PER_BIN))
    return np.unique(np.quantile(v, np.linspace(0, 1, num + 1)[1:-1]))


def _from_bins(v: Array, y_NK: Array) -> Array:
    """Return for each row the mean target of the other rows in its bin, or a straight line if that is nearer."""
    place = np.searchsorted(_edges(v), v, side="left")
    sums = np.zeros((place.max() + 1, y_NK.shape[1]))
    np.add.at(sums, place, y_NK)
    counts = np.bincount(place)
    left_out: Array = (sums[place] - y_NK + 1e-6 * y_NK.mean(0)) / (counts[place] - 1 + 1e-6)[:, None]
    if y_NK.shape[1] > 1 or v.std() == 0:
        return left_out
    line = np.polynomial.polynomial.polyval(v, np.polynomial.polynomial.polyfit(v - v.mean(), y_NK[:, 0], 1))
    line = line - line.mean() + y_NK.mean()
    nearer = ((line[:, None] - y_NK) ** 2).sum() < ((left_out - y_NK) ** 2).sum()
    return line[:, None] if nearer else left_out


def _into_bins(v: Array, y_NK: Array, new: Array) -> Array:
    """Return for new values what the bins of training rows predict."""
    edges = _edges(v)
    place = np.searchsorted(edges, v, side="left")
    sums = np.zeros((len(edges) + 1, y_NK.shape[1]))
    np.add.at(sums, place, y_NK)
    means = (sums + 1e-6 * y_NK.mean(0)) / (np.bincount(place, minlength=len(edges) + 1) + 1e-6)[:, None]
    return np.asarray(means[np.searchsorted(edges, new, side="left")])


def _others(x_ND: Array, y_NK: Array, classed: bool) -> float:
    rows = chosen(len(x_ND), _OTHERS, stream="others")
    fold = folds(len(rows), 3, labels=y_NK[rows].argmax(1) if classed else None)
    guess = held_out(x_ND[rows], y_NK[rows], fold, classed=classed)
    return max(_skill(one, y_NK[rows], classed=classed) for one in guess.by_model.values())
