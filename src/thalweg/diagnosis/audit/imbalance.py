"""Classes of unequal size, and what predictions make of the small ones.

RARE 0.2: the smallest class has a fifth of its even share or less (two classes: 10 %). MISSED 0.2: recall below this is
close to never saying the class. CONSTANT 0.995: the share of one answer among predictions above which nothing is told
apart.
"""

import dataclasses
from typing import final

import numpy as np

from thalweg.diagnosis.audit.noise import wilson
from thalweg.diagnosis.audit.rows import Given, Index
from thalweg.diagnosis.audit.targets import labels_of

RARE, MISSED, CONSTANT = 0.2, 0.2, 0.995


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Imbalance:
    """Hold the counts of classes, and of predictions, where given, how each class fares."""

    classes: tuple[int, ...]
    counts: tuple[int, ...]
    recall: tuple[float, ...] = ()  # by class, empty without predictions
    recall_high: tuple[float, ...] = ()  # upper limits of 95 % intervals
    accuracy: float = np.nan
    commonest: float = np.nan  # share of the commonest prediction

    @property
    def majority(self) -> float:
        return max(self.counts) / sum(self.counts)

    @property
    def rarest(self) -> int:
        """Return the place of the rarest class in `classes`."""
        return int(np.argmin(self.counts))

    @property
    def rare(self) -> bool:
        """Say whether the rarest class has a fifth of its even share, or less."""
        return min(self.counts) / sum(self.counts) <= RARE / len(self.counts)

    @property
    def balanced_accuracy(self) -> float:
        return float(np.mean(self.recall)) if self.recall else np.nan

    @property
    def constant(self) -> bool:
        """Say whether predictions are one and the same answer, though there are several classes."""
        return self.commonest > CONSTANT > self.majority or (self.commonest == 1.0 and len(self.counts) > 1)

    @property
    def missed(self) -> tuple[int, ...]:
        """Return the rare classes that predictions hardly ever find, beyond doubt."""
        limit = RARE / len(self.counts) * sum(self.counts)
        sure = zip(self.classes, self.counts, self.recall_high, strict=False)
        return tuple(k for k, count, high in sure if count <= limit and high < MISSED)


def count_classes(y: Given, predictions: Index | None = None) -> Imbalance | None:
    """Count the classes of targets (N,) and, with predicted classes (N,), the recall of each; None for other targets.

    >>> count_classes(np.array([0] * 95 + [1] * 5)).rare
    True
    """
    labels = labels_of(y)
    if labels is None:
        return None
    classes, counts = np.unique(labels, return_counts=True)
    plain = Imbalance(classes=tuple(map(int, classes)), counts=tuple(map(int, counts)))
    if predictions is None:
        return plain
    guess = np.asarray(predictions).reshape(len(labels))
    hits = [int((guess[labels == k] == k).sum()) for k in classes]
    return dataclasses.replace(
        plain,
        recall=tuple(hit / int(count) for hit, count in zip(hits, counts, strict=True)),
        recall_high=tuple(wilson(hit, int(count))[1] for hit, count in zip(hits, counts, strict=True)),
        accuracy=float((guess == labels).mean()),
        commonest=float(np.unique(guess, return_counts=True)[1].max() / len(guess)),
    )
