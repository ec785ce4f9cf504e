"""Tables: files or data frames with named columns, one of which is the target."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, final

import polars as pl

from thalweg.core import DataError, Message, UnknownName, message, storage_errors
from thalweg.data.base import Dataset, OwnData, RawInputs
from thalweg.data.columns import as_days, as_numbers, as_words, clean, reads_as_numbers, typed
from thalweg.data.frames import as_frame
from thalweg.data.sources.array_data import check_choices
from thalweg.data.sources.delimited import read_table
from thalweg.data.targets import read_targets

_TARGET_NAMES = ("target", "label", "class", "y", "outcome", "response", "price")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Table(OwnData):
    """Give the rows of a CSV, TSV or Parquet file."""

    name: ClassVar[str] = "table"
    content: ClassVar[tuple[str, ...]] = ("path",)
    path: str
    target: str | None = None
    task: str | None = None
    categories: tuple[str, ...] = ()
    """Columns whose numbers are names, such as postcodes."""
    drop: tuple[str, ...] = ()

    def check(self) -> None:
        check_choices("Table", task=self.task)

    def load(self) -> Dataset:
        raw, said = read_table(self.path)
        return _dataset(raw, self, said)

    def load_inputs(self) -> RawInputs:
        return read_table(self.path)[0]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Frame(OwnData):
    """Give the rows of a polars or pandas data frame."""

    name: ClassVar[str] = "frame"
    content: ClassVar[tuple[str, ...]] = ("frame",)
    frame: Any
    target: str | None = None
    task: str | None = None
    categories: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    def check(self) -> None:
        check_choices("Frame", task=self.task)

    def load(self) -> Dataset:
        return _dataset(self.load_inputs(), self, ())

    def load_inputs(self) -> RawInputs:
        return RawInputs(values=as_frame(self.frame))

    def save(self, path: str | Path) -> Table:
        """Write the frame as Parquet, so that a run can be repeated, and return the table that reads it."""
        with storage_errors(Path(path)):
            as_frame(self.frame).write_parquet(path)
        return Table(path=str(path), target=self.target, task=self.task, categories=self.categories, drop=self.drop)


def _dataset(raw: RawInputs, source: Table | Frame, said: tuple[Message, ...]) -> Dataset:
    frame = raw.values
    assert isinstance(frame, pl.DataFrame)  # both sources read frames
    for name in (*source.categories, *source.drop):
        _check_name(name, frame, raw.file)
    frame = frame.drop(source.drop)
    target, guess = _target(frame, source.target, raw.file)
    if frame.width < 2:
        raise DataError("there is no column besides the target.", file=raw.file or None)
    values = _target_cells(frame[target], target in source.categories, source.task, raw)
    features, notes = typed(frame.drop(target), categories=source.categories, file=raw.file, first_row=raw.first_row)
    present = values.is_not_null()
    kept = int(present.sum())
    if not kept:
        raise DataError("the target is missing in every row.", file=raw.file or None, column=target)
    dropped = (message("data.no_target", column=target, count=len(values) - kept),) if kept < len(values) else ()
    read = read_targets(values.drop_nulls().to_numpy(), task=source.task, column=target, file=raw.file)
    _check_classes(read.class_names, kept, target, raw.file)
    return Dataset(
        inputs=features.filter(present) if dropped else features,
        targets=read.values,
        task=read.task,
        kind="table",
        feature_names=tuple(features.columns),
        class_names=read.class_names,
        target_names=(target,),
        said=(*said, *guess, *read.said, *dropped, *notes),
        origin=raw.file,
    )


def _check_name(name: str, frame: pl.DataFrame, file: str) -> None:
    if name not in frame.columns:
        raise DataError(str(UnknownName("column", name, frame.columns)), file=file or None)


def _target(frame: pl.DataFrame, asked: str | None, file: str) -> tuple[str, tuple[Message, ...]]:
    if asked is not None:
        _check_name(asked, frame, file)
        return asked, ()
    if not frame.columns:
        raise DataError("there is no column left.", file=file or None)
    by_name = {column.lower(): column for column in frame.columns}
    for name in _TARGET_NAMES:
        if name in by_name:
            return by_name[name], (message("data.target_by_name", column=by_name[name]),)
    return frame.columns[-1], (message("data.target_last", column=frame.columns[-1]),)


def _target_cells(series: pl.Series, named: bool, task: str | None, raw: RawInputs) -> pl.Series:
    """Return the target as Float64 or words, null where missing."""
    if series.dtype == pl.Object or series.dtype.is_nested() or series.dtype == pl.Binary:
        what = f"cells of type {series.dtype} can be neither classes nor values"
        raise DataError(f"{what}; name another target.", file=raw.file or None, column=series.name)
    if series.dtype.is_temporal():
        return as_days(series)
    if named or series.dtype == pl.Boolean or isinstance(series.dtype, pl.Categorical | pl.Enum):
        return as_words(series)
    cells = clean(series)
    if task == "regression" or cells.dtype != pl.String or (task is None and reads_as_numbers(cells)):
        cure = "correct it, or set task = classification"
        return as_numbers(series, file=raw.file, first_row=raw.first_row, cure=cure)
    return cells


def _check_classes(names: tuple[str, ...], size: int, column: str, file: str) -> None:
    if len(names) > size / 2 and size >= 10:
        counts = f"it has {len(names)} different values in {size} rows, too many to be classes"
        raise DataError(f"{counts}; name another target or set task = regression.", file=file or None, column=column)
