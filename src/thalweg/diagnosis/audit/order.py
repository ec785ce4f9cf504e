"""The order in which rows come: whether batches are purer than chance, whether neighbours are alike.

Both are tested by permutation, which assumes nothing about targets: under shuffling every arrangement of the seen
targets is equally likely. TIMES 199 permutations make 0.005 the least p. A batch that is merely balanced over classes
is *less* pure than chance and is no finding (one-sided). SORTED 0.3: three tenths of the way from shuffled (0) to one
class a batch (1); significant traces below that, of drift in a stream, cost nothing that was ever measured.
"""

import dataclasses
from collections.abc import Sequence
from typing import final

import numpy as np

from thalweg.core.random import numpy_generator
from thalweg.diagnosis.audit.rows import Array, Given, Index, standardised
from thalweg.diagnosis.audit.targets import labels_of

TIMES, SORTED = 199, 0.3
_CAP = 5000  # rows in all
_PAIRS = 4  # smaller batches than this are judged by neighbours, too: one row alone is always pure
_CLASSES = 100  # commonest classes that are told apart


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """Hold how targets are laid out over batches and along the rows.

    `purity` is 0 where batches are drawn at random and 1 where each holds one value only; `serial` the same for
    neighbours (of real targets their correlation). `within` and `overall` are entropies in nats for classes, variances
    of standardised targets for real ones.
    """

    num_rows: int
    num_batches: int
    classed: bool
    within: float
    overall: float
    purity: float
    purity_p: float
    serial: float
    serial_p: float

    @property
    def sorted(self) -> bool:
        """Say whether batches hold far fewer kinds of targets than there are, beyond chance."""
        by_batch = self.purity > SORTED and self.purity_p < 0.01
        by_row = self.serial > SORTED and self.serial_p < 0.01
        return by_batch or (by_row and self.num_rows < _PAIRS * self.num_batches)


def measure_order(batches: Sequence[Given]) -> Order | None:
    """Measure how the targets of batches, in the order in which they were trained on, are laid out.

    Pass one epoch at most, so that no row counts twice. None for targets with an axis of positions, for constant ones
    and for fewer than 20 rows: 8 values in two batches have no significant order.

    >>> found = measure_order([np.zeros(32, dtype=int), np.ones(32, dtype=int)])
    >>> found.purity, found.sorted
    (1.0, True)
    """
    batches = [np.asarray(batch) for batch in batches if np.asarray(batch).ndim and len(batch)]
    if len({batch.shape[1:] for batch in batches}) != 1 or batches[0].ndim > 2:
        return None
    y, sizes = np.concatenate(batches)[:_CAP], _sizes(batches)
    labels = labels_of(y)
    if labels is None and y.dtype.kind != "f":
        return None
    y_NK = standardised(y.reshape(len(y), -1).astype(np.float64)) if labels is None else _indicators(labels)
    if len(y) < 20 or not y_NK.any() or y_NK.var(0).sum() == 0 or not np.isfinite(y_NK).all():
        return None
    overall = float(y_NK.var(0).sum())
    of_batch = np.repeat(np.arange(len(sizes)), sizes)
    draw = numpy_generator(0, "order")
    pure, next_to = _pure(y_NK, of_batch), _alike(y_NK)
    null = np.array([(_pure(p, of_batch), _alike(p)) for p in (draw.permutation(y_NK) for _ in range(TIMES))])
    within_variance = overall - pure
    return Order(
        num_rows=len(y),
        num_batches=len(sizes),
        classed=labels is not None,
        within=within_variance if labels is None else _mean_entropy(labels, of_batch),
        overall=overall if labels is None else _mean_entropy(labels, np.zeros_like(of_batch)),
        purity=_share(pure, float(null[:, 0].mean()), overall),
        purity_p=_p(pure, null[:, 0]),
        serial=_share(next_to, float(null[:, 1].mean()), overall),
        serial_p=_p(next_to, null[:, 1]),
    )


def _sizes(batches: Sequence[Given]) -> list[int]:
    ends = np.minimum(np.cumsum([len(batch) for batch in batches]), _CAP)
    return [int(size) for size in np.diff(ends, prepend=0) if size]


def _indicators(labels: Index) -> Array:
    values, counts = np.unique(labels, return_counts=True)
    commonest = values[np.argsort(-counts, kind="stable")][:_CLASSES]
    return np.asarray(labels[:, None] == commonest, dtype=np.float64)


def _pure(y_NK: Array, of_batch: Index) -> float:
    """Return the variance between batches: that of their means, weighted by their sizes."""
    sizes = np.bincount(of_batch)
    starts = np.cumsum(sizes) - sizes
    means = np.add.reduceat(y_NK, starts, axis=0) / sizes[:, None]
    return float((sizes @ (means - y_NK.mean(0)) ** 2).sum() / len(y_NK))


def _alike(y_NK: Array) -> float:
    """Return the mean product of neighbouring rows, centred: the serial covariance at lag 1."""
    centred = y_NK - y_NK.mean(0)
    return float((centred[1:] * centred[:-1]).sum() / (len(y_NK) - 1))


def _share(value: float, chance: float, most: float) -> float:
    """Return how far from chance towards the most possible a value lies; 0 where chance is the most already."""
    return float((value - chance) / (most - chance)) if most - chance > 1e-9 * most else 0.0


def _p(value: float, null: Array) -> float:
    return float((1 + (null >= value - 1e-12).sum()) / (1 + len(null)))


def _mean_entropy(labels: Index, of_batch: Index) -> float:
    """Return the entropy of labels within groups, averaged over rows, in nats."""
    codes = np.unique(labels, return_inverse=True)[1]
    counts = np.zeros((of_batch.max() + 1, codes.max() + 1))
    np.add.at(counts, (of_batch, codes), 1.0)
    share = counts / counts.sum(1, keepdims=True)
    entropy = -(share * np.log(np.where(share > 0, share, 1.0))).sum(1)
    return float(entropy @ counts.sum(1) / counts.sum())
