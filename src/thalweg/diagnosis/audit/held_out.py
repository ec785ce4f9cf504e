"""Predictions for rows by models that have not seen them: three quick ones that fail in different places.

linear (Fisher's discriminant or ridge: good where signal is spread over many columns), neighbours (good on curved
classes), trees (good on single columns, steps and raw scales). Each row is predicted from the other folds. 1500 rows
and 64 columns take 0.2 s.
SHRINK 0.1: a tenth of the pooled covariance is replaced by its mean variance, so that more columns than rows do no
harm.
"""

import dataclasses
from typing import final

import numpy as np

from thalweg.core.random import numpy_generator
from thalweg.diagnosis.audit.rows import Array, Given, Index, flat, standardised

SHRINK, NEIGHBOURS, TREES = 0.1, 10, 15
_WIDE = 256  # columns above which linear and neighbours work on a random projection
_VOCABULARY = 256  # tokens whose counts become columns where inputs are sequences of integers: the commonest


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeldOut:
    """Hold what each model predicts for rows it has not seen: probabilities (N, K), or values (N, K) of real
    targets.
    """

    by_model: dict[str, Array]
    fold: Index  # (N,), the fold of each row


def folds(count: int, num: int, *, labels: Index | None = None, groups: Index | None = None) -> Index:
    """Return a fold for each row: whole groups where given, else each class shared out alike, else at random."""
    shuffled = numpy_generator(0, "folds").permutation(count)
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1].reshape(-1)
        return numpy_generator(0, "groups").permutation(codes.max() + 1)[codes] % num
    if labels is not None:
        shuffled = shuffled[np.argsort(labels[shuffled], kind="stable")]
    fold = np.empty(count, dtype=np.int64)
    fold[shuffled] = np.arange(count) % num
    return fold


def held_out(x: Given, y_NK: Array, fold: Index, *, classed: bool) -> HeldOut:
    """Predict each row's targets (N, K), indicators of classes or numbers, from the rows of other folds."""
    x_ND = _features(x)
    z_ND = standardised(x_ND)
    if z_ND.shape[1] > _WIDE:
        z_ND = z_ND @ numpy_generator(0, "projection").normal(size=(z_ND.shape[1], _WIDE)) / np.sqrt(z_ND.shape[1])
    linear, trees = np.zeros_like(y_NK), np.zeros_like(y_NK)
    for k in np.unique(fold):
        seen, held = fold != k, fold == k
        fit = _discriminant if classed else _ridge
        linear[held] = fit(z_ND[seen], y_NK[seen], z_ND[held])
        trees[held] = _forest(x_ND[seen], y_NK[seen], x_ND[held], classed)
    return HeldOut(
        by_model={"linear": linear, "neighbours": _neighbours(z_ND, y_NK, fold), "trees": trees},
        fold=fold,
    )


def _features(x: Given) -> Array:
    """Return rows as a matrix; of token sequences with the count of each token beside the tokens themselves."""
    x = np.asarray(x)
    x_ND, _ = flat(x)
    if x.dtype.kind not in "iu" or x.ndim != 2 or x.shape[1] < 2:
        return x_ND
    tokens, total = np.unique(x, return_counts=True)
    commonest = tokens[np.argsort(-total, kind="stable")][:_VOCABULARY]
    counts = np.stack([(x == token).sum(1) for token in commonest], axis=1)
    return np.concatenate([x_ND, counts], axis=1)


def _ridge(x_ND: Array, y_NK: Array, new_MD: Array) -> Array:
    mean_D, mean_K = x_ND.mean(0), y_NK.mean(0)
    centred = x_ND - mean_D
    square = centred.T @ centred
    strength = max(1.0, SHRINK * len(square))
    w_DK = np.linalg.solve(square + strength * np.eye(len(square)), centred.T @ (y_NK - mean_K))
    return np.asarray(mean_K + (new_MD - mean_D) @ w_DK)


def _discriminant(x_ND: Array, y_NK: Array, new_MD: Array) -> Array:
    """Return the class probabilities of normal classes with one covariance S, shrunken towards a multiple of one.

    score_k(x) = x S⁻¹ m_k - m_k S⁻¹ m_k / 2 + log share_k (Fisher 1936; Friedman 1989 for the shrinking).
    """
    counts = y_NK.sum(0)
    means = y_NK.T @ x_ND / np.maximum(1.0, counts)[:, None]
    within = x_ND - y_NK @ means
    s_DD = within.T @ within / len(x_ND)
    variance = max(float(np.trace(s_DD)) / len(s_DD), 1e-9)
    s_DD = (1 - SHRINK) * s_DD + SHRINK * variance * np.eye(len(s_DD))
    w_DK = np.linalg.solve(s_DD, means.T)
    share = np.log(np.maximum(counts, 0.5) / len(x_ND))
    return _softmax(new_MD @ w_DK - 0.5 * (means.T * w_DK).sum(0) + share)


def _softmax(score_NK: Array) -> Array:
    power = np.exp(score_NK - score_NK.max(1, keepdims=True))
    return np.asarray(power / power.sum(1, keepdims=True))


def _neighbours(x_ND: Array, y_NK: Array, fold: Index) -> Array:
    """Return the mean targets of the nearest rows of other folds, and of one row more that is the mean of all."""
    square = (x_ND**2).sum(1)
    distance = square[:, None] - 2 * x_ND @ x_ND.T + square
    distance[fold[:, None] == fold] = np.inf
    num = min(NEIGHBOURS, len(x_ND) - int(np.bincount(fold).max()))
    nearest = np.argpartition(distance, num - 1, axis=1)[:, :num]
    return np.asarray((y_NK[nearest].sum(1) + y_NK.mean(0)) / (num + 1))


def _forest(x_ND: Array, y_NK: Array, new_MD: Array, classed: bool) -> Array:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor  # a second, which most runs need not spend

    settings = {"n_estimators": TREES, "min_samples_leaf": 3, "max_depth": 10, "random_state": 0, "n_jobs": 1}
    if not classed:
        width = max(1, x_ND.shape[1] // 3)
        model = ExtraTreesRegressor(max_features=width, **settings)
        return np.asarray(model.fit(x_ND, y_NK[:, 0] if y_NK.shape[1] == 1 else y_NK).predict(new_MD)).reshape(
            -1, y_NK.shape[1]
        )
    model = ExtraTreesClassifier(**settings).fit(x_ND, y_NK.argmax(1))
    found = np.zeros((len(new_MD), y_NK.shape[1]))
    found[:, model.classes_] = model.predict_proba(new_MD)
    return found
