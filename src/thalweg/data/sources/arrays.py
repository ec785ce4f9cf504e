"""Arrays that the user holds in memory."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import polars as pl

from thalweg.core import UsageError, storage_errors
from thalweg.data.base import Dataset, OwnData, RawInputs, Source
from thalweg.data.sources.array_data import as_array, check_choices, dataset_of, read_inputs
from thalweg.data.sources.array_file import ArrayFile
from thalweg.data.sources.table import Table
from thalweg.data.targets import label


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Arrays(OwnData):
    """Give inputs X (N, ...) and targets y (N,) or (N, T) in memory; X may be a data frame."""

    name: ClassVar[str] = "arrays"
    content: ClassVar[tuple[str, ...]] = ("X", "y")
    X: Any
    y: Any = None
    task: str | None = None
    kind: str | None = None
    class_names: tuple[str, ...] = ()

    def check(self) -> None:
        check_choices("Arrays", task=self.task, kind=self.kind)

    def load(self) -> Dataset:
        inputs = read_inputs(self.X, "X")
        return dataset_of(inputs, self._targets(), source=self, origin="")

    def load_inputs(self) -> RawInputs:
        return RawInputs(values=read_inputs(self.X, "X"))

    def save(self, path: str | Path) -> Source:
        """Write X and y as .npz, or as .parquet where X is a data frame, so that a run can be repeated.

        Returns the source that reads what was written, with the same task, kind and classes.
        """
        inputs, targets = read_inputs(self.X, "X"), self._targets()
        words = targets.dtype.kind in "OUS"
        targets = np.array([label(value) for value in targets.tolist()]) if words else targets
        if isinstance(inputs, pl.DataFrame):
            return self._save_frame(inputs, targets, Path(path).with_suffix(".parquet"))
        path = Path(path).with_suffix(".npz")
        with storage_errors(path), path.open("wb") as file:
            np.savez(file, X=inputs, y=targets)
        return ArrayFile(path=str(path), task=self.task, kind=self.kind, class_names=self.class_names)

    def _save_frame(self, frame: pl.DataFrame, targets: np.ndarray, path: Path) -> Table:
        if targets.ndim > 1 or self.class_names:
            what = "several targets" if targets.ndim > 1 else "class_names"
            raise UsageError(f"`Arrays.save(path)` cannot write {what} beside a data frame; give X as an array.")
        target = "y"
        while target in frame.columns:
            target += "_"
        with storage_errors(path):
            frame.with_columns(pl.Series(target, targets)).write_parquet(path)
        words = (target,) if targets.dtype.kind == "U" else ()
        return Table(path=str(path), target=target, task=self.load().task, categories=words)

    def _targets(self) -> np.ndarray:
        if self.y is None:
            cure = "without targets there is prediction only"
            raise UsageError(f"`Arrays(y=...)` must be given to train, got None; {cure}.")
        return as_array(self.y, "y")
