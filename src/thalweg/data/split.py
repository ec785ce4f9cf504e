"""Cutting a dataset into training, validation and test rows."""

import dataclasses
from typing import Annotated, ClassVar, TypeAlias, final

import numpy as np

from thalweg.core import Component, DataError, Knob, UsageError
from thalweg.core.random import numpy_generator

Rows: TypeAlias = np.ndarray


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Split(Component):
    """Cut rows into training, validation and test part, seeded, each class shared out alike.

    Every class keeps at least one training example. Language is cut in three contiguous pieces, in order.
    """

    name: ClassVar[str] = "split"
    validation: Annotated[float, Knob("share of the examples for validation", "[0, 1)", 0, 0.4)] = 0.1
    test: Annotated[float, Knob("share of the examples for the final test", "[0, 1)", 0, 0.4)] = 0.15
    stratify: bool = True

    def check(self) -> None:
        if self.validation + self.test >= 1:
            total = f"{self.validation} + {self.test}"
            raise UsageError(f"`Split(validation=..., test=...)` must leave rows for training, got {total}.")

    def rows(self, targets: np.ndarray, task: str, seed: int) -> tuple[Rows, Rows, Rows]:
        """Return the rows of the three parts, each sorted; a share of zero gives an empty part."""
        size = len(targets)
        num_test, num_validation = (_count(size, share) for share in (self.test, self.validation))
        if task == "language":
            ends = [size - num_test - num_validation, size - num_test]
            train, validation, test = np.split(np.arange(size), ends)
            return train, validation, test
        labels = targets if task == "classification" else np.zeros(size, dtype=np.int64)
        order, num_free = _order(labels, self.stratify, seed)
        if num_test + num_validation > num_free:
            kept = size - num_free
            wanted = f"{num_test} for test, {num_validation} for validation and {kept} for training"
            cure = "bring more, or use Split(validation=0, test=0)"
            raise DataError(f"{size} examples are too few to split: {wanted} are needed; {cure}.")
        ends = [num_test, num_test + num_validation]
        test, validation, train = (np.sort(rows) for rows in np.split(order, ends))
        return train, validation, test


def lone_classes(targets: np.ndarray, num_classes: int) -> list[int]:
    """Return the classes of which there is one example only: it can be trained on, but never tested."""
    counts = np.bincount(targets, minlength=num_classes)
    return [int(code) for code in np.flatnonzero(counts == 1)]


def _count(size: int, share: float) -> int:
    return max(1, round(size * share)) if share > 0 else 0


def _order(labels: np.ndarray, stratify: bool, seed: int) -> tuple[np.ndarray, int]:
    """Order rows so that any leading piece holds each class in proportion; one row a class comes last.

    The rows of a class of size n stand at (rank + offset) / n: cutting that line at a share cuts every class
    there.
    """
    draw = numpy_generator(seed, "split")
    size = len(labels)
    shuffled = draw.permutation(size)
    _, codes, counts = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    by_class = np.argsort(codes, kind="stable")
    starts = np.cumsum(counts) - counts
    rank = np.empty(size, dtype=np.int64)
    rank[by_class] = np.arange(size) - starts[codes[by_class]]
    offset = draw.uniform(0, 1, len(counts))
    place = (rank + offset[codes]) / counts[codes] if stratify else draw.uniform(0, 1, size)
    place[rank == counts[codes] - 1] = np.inf
    return shuffled[np.argsort(place, kind="stable")], size - len(counts)
