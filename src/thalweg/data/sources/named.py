"""The sets that ship with scikit-learn; nothing is downloaded."""

import dataclasses
from typing import Any, ClassVar, final

import numpy as np

from thalweg.data.base import Dataset, Source


def _bundled(name: str) -> Any:
    from sklearn import datasets  # here, as it takes a second to import and most runs bring data of their own

    return getattr(datasets, f"load_{name}")


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


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Digits(Source):
    """Give 1797 handwritten digits of 8 by 8 pixels with 17 grey levels, ten classes."""

    name: ClassVar[str] = "digits"

    def load(self) -> Dataset:
        bunch = _bundled("digits")()
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


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Iris(Source):
    """Give 150 irises of three species, four lengths in cm."""

    name: ClassVar[str] = "iris"

    def load(self) -> Dataset:
        return _table(_bundled("iris")(), self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Wine(Source):
    """Give 178 wines of three cultivars, 13 chemical measurements of very different size."""

    name: ClassVar[str] = "wine"

    def load(self) -> Dataset:
        return _table(_bundled("wine")(), self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BreastCancer(Source):
    """Give 569 tumours, malignant or benign, 30 measurements of cell nuclei."""

    name: ClassVar[str] = "breast_cancer"

    def load(self) -> Dataset:
        return _table(_bundled("breast_cancer")(), self.name)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Diabetes(Source):
    """Give 442 patients, ten measurements, and how far the disease went on within a year (regression)."""

    name: ClassVar[str] = "diabetes"

    def load(self) -> Dataset:
        bunch = _bundled("diabetes")(scaled=False)
        return Dataset(
            inputs=bunch.data,
            targets=bunch.target.astype(np.float64),
            task="regression",
            kind="table",
            feature_names=tuple(map(str, bunch.feature_names)),
            target_names=("progression",),
            origin=self.name,
        )
