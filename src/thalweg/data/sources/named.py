"""The sets that ship with scikit-learn; nothing is downloaded."""

import dataclasses
from typing import Any, ClassVar

import numpy as np
from sklearn import datasets

from thalweg.data.base import Dataset, Source


def _table(bunch: Any, origin: str) -> Dataset:
    return Dataset(
        inputs=bunch.data,
        targets=bunch.target.astype(np.int64),
        task="classification",
        kind="table",
        feature_names=tuple(map(str, bunch.feature_names)),
        class_names=tuple(map(str, bunch.target_names)),
        target_names=("class",),
        origin=origin,
    )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Digits(Source):
    """Give 1797 handwritten digits of 8 by 8 pixels with 17 grey levels, ten classes."""

    name: ClassVar[str] = "digits"

    def load(self) -> Dataset:
        bunch = datasets.load_digits()
        return Dataset(
            inputs=bunch.images[:, None].astype(np.uint8),
            targets=bunch.target.astype(np.int64),
            task="classification",
            kind="image",
            class_names=tuple(map(str, bunch.target_names)),
            target_names=("digit",),
            full_scale=16.0,
            origin=self.name,
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Iris(Source):
    """Give 150 irises of three species, four lengths in cm."""

    name: ClassVar[str] = "iris"

    def load(self) -> Dataset:
        return _table(datasets.load_iris(), self.name)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wine(Source):
    """Give 178 wines of three cultivars, 13 chemical measurements of very different size."""

    name: ClassVar[str] = "wine"

    def load(self) -> Dataset:
        return _table(datasets.load_wine(), self.name)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BreastCancer(Source):
    """Give 569 tumours, malignant or benign, 30 measurements of cell nuclei."""

    name: ClassVar[str] = "breast_cancer"

    def load(self) -> Dataset:
        return _table(datasets.load_breast_cancer(), self.name)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Diabetes(Source):
    """Give 442 patients, ten measurements, and how far the disease went on within a year (regression)."""

    name: ClassVar[str] = "diabetes"

    def load(self) -> Dataset:
        bunch = datasets.load_diabetes(scaled=False)
        return Dataset(
            inputs=bunch.data,
            targets=bunch.target.astype(np.float64),
            task="regression",
            kind="table",
            feature_names=tuple(map(str, bunch.feature_names)),
            target_names=("progression",),
            origin=self.name,
        )
