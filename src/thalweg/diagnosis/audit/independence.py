"""Whether labels depend on inputs at all: predictions of rows not seen, against the same rows' labels exchanged.

If x and y are independent, the labels of a held-out fold are exchangeable given the predictions for it, so that
permuting them within the fold gives the null exactly and no model is fitted twice (a permutation test conditional on
the fit; Good 2005, chapter 3). The statistic is the largest over three models, each in units of its own null, so that p
needs no correction.

What this cannot see: a dependence that no quick model finds (parity, arithmetic modulo p, objects at any place).
"Independent" therefore means: nothing that lines, neighbours or trees find; who reports it should have a network that
found nothing, too.
DETECTABLE 0.15: with 280 rows or more a held-out correlation of 0.15 would have shown; with fewer nothing is said.
"""

import dataclasses
from typing import final

import numpy as np

from thalweg.core.random import numpy_generator
from thalweg.diagnosis.audit.held_out import folds, held_out
from thalweg.diagnosis.audit.rows import Array, Given, Index, chosen
from thalweg.diagnosis.audit.targets import labels_of, numbers_of

TIMES, DETECTABLE = 199, 0.15
_CAP, _FOLDS, _OUTPUTS = 1200, 3, 20
_ENOUGH = 30


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Dependence:
    """Hold how well quick models predict targets of rows that they have not seen, and whether that is chance.

    `score` is the accuracy for classes and R² for real targets, `chance` what a constant reaches (the majority's share
    and 0); `strength` is the correlation of predictions with targets, the measure that imbalance does not flatter.
    """

    classed: bool
    num_rows: int
    model: str
    score: float
    chance: float
    strength: float
    p: float
    detectable: float  # the correlation that would have shown with these rows: 2.5 / sqrt(N)

    @property
    def independent(self) -> bool:
        """Say whether nothing was found though there were rows enough to find a weak dependence."""
        return self.p > 0.01 and self.detectable <= DETECTABLE

    @property
    def skill(self) -> float:
        """Return which share of the way from chance to perfect the predictions go."""
        return (self.score - self.chance) / (1 - self.chance) if self.chance < 1 else 0.0


def measure_dependence(x: Given, y: Given, *, groups: Index | None = None) -> Dependence | None:
    """Measure whether targets (N,) or (N, K) depend on inputs (N, ...); None for constant targets or under 30 rows.

    `groups` names the example behind each row where one example was seen several times (augmented, overlapping
    windows): its rows then stay in one fold and count as one, by their mean.
    """
    rows = chosen(len(x), _CAP)
    x, y = np.asarray(x)[rows], np.asarray(y)[rows]
    labels, y_NK = _numbers(y)
    if len(rows) < _ENOUGH or y_NK is None:
        return None
    fold = folds(len(x), _FOLDS, labels=labels, groups=None if groups is None else np.asarray(groups)[rows])
    guess = held_out(x, y_NK, fold, classed=labels is not None)
    by_model = guess.by_model
    if groups is not None:
        y_NK, fold, by_model = _grouped(np.asarray(groups)[rows], y_NK, fold, by_model)
    centred = y_NK - y_NK.mean(0)
    name, p = _best(by_model, centred, fold)
    best = by_model[name]
    if labels is None:
        score, chance = 1 - float(((best - y_NK) ** 2).sum() / (centred**2).sum()), 0.0
    else:
        score, chance = float((best.argmax(1) == y_NK.argmax(1)).mean()), float(y_NK.mean(0).max())
    return Dependence(
        classed=labels is not None,
        num_rows=len(y_NK),
        model=name,
        score=score,
        chance=chance,
        strength=_correlation(best, centred),
        p=p,
        detectable=2.5 / float(np.sqrt(len(y_NK))),
    )


def _numbers(y: Given) -> tuple[Index | None, Array | None]:
    """Return labels, if targets are classes, and their numbers (N, K); of rare classes and many outputs only some."""
    labels = labels_of(y)
    y_NK = numbers_of(y)
    if labels is None:
        y_NK = y_NK[:, chosen(y_NK.shape[1], _OUTPUTS, stream="outputs")]
        y_NK = y_NK[:, y_NK.std(0) > 0]
        y_NK = y_NK / y_NK.std(0)
    else:
        y_NK = y_NK[:, np.argsort(-y_NK.sum(0), kind="stable")[: _OUTPUTS * 5]]
        y_NK = np.concatenate([y_NK, 1 - y_NK.sum(1, keepdims=True)], axis=1)
        y_NK = y_NK[:, y_NK.any(0)]
    useful = y_NK.shape[1] > (labels is not None)
    return labels, y_NK if useful else None


def _grouped(
    groups: Given, y_NK: Array, fold: Index, by_model: dict[str, Array]
) -> tuple[Array, Index, dict[str, Array]]:
    """Return targets, folds and predictions of one row a group: rows of one group are not exchangeable one by one."""
    _, first, place, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)

    def mean(values_NK: Array) -> Array:
        sums = np.zeros((len(first), values_NK.shape[1]))
        np.add.at(sums, place.reshape(-1), values_NK)
        return np.asarray(sums / counts[:, None])

    return mean(y_NK), fold[first], {name: mean(guess) for name, guess in by_model.items()}


def _best(by_model: dict[str, Array], y_NK: Array, fold: Index) -> tuple[str, float]:
    """Return the model whose agreement with targets stands out most from its null, and the p of the largest of them."""
    draw = numpy_generator(0, "independence")
    values = np.zeros((len(by_model), TIMES + 1))  # the first being the truth
    for k in np.unique(fold):
        held = np.flatnonzero(fold == k)
        order = draw.permuted(np.broadcast_to(np.arange(len(held)), (TIMES + 1, len(held))), axis=1)
        order[0] = np.arange(len(held))
        for row, guess in enumerate(by_model.values()):
            # Σₙ guessₙ · y_π(n), all at once: the products of all pairs are looked up for each permutation
            product = guess[held] @ y_NK[held].T
            values[row] += product[np.arange(len(held)), order].sum(1)
    deviation = values[:, 1:].std(1)
    z = (values - values[:, 1:].mean(1, keepdims=True)) / np.maximum(deviation, 1e-300)[:, None]
    z[deviation <= 1e-9 * np.abs(values).max()] = 0.0
    top = z.max(0)
    return list(by_model)[int(z[:, 0].argmax())], float((1 + (top[1:] >= top[0] - 1e-12).sum()) / (TIMES + 1))


def _correlation(guess: Array, centred: Array) -> float:
    """Return the correlation of predictions with targets over all entries, both centred by column."""
    mine = guess - guess.mean(0)
    size = float(np.sqrt((mine**2).sum() * (centred**2).sum()))
    return float((mine * centred).sum() / size) if size > 0 else 0.0
