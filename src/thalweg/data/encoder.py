"""A table as numbers: categories one-hot, missing values imputed and marked; learnt from training rows alone.

Axis letters: N examples, D features.
"""

import dataclasses
from typing import Any

import numpy as np
import polars as pl

from thalweg.core import DataError, Message, message
from thalweg.data.columns import as_days, as_numbers, as_words, missing_columns, typed

_MOST_CATEGORIES = 32
_FEW_ROWS = 10  # below this, that all values differ says nothing
_ID_NAMES = (
    "id",
    "index",
    "idx",
    "row",
    "rowid",
    "row_id",
    "row_number",
    "rownumber",
    "unnamed: 0",
    "column_1",
    "",
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """Hold how one column becomes features."""

    name: str
    kind: str  # number | date | category
    fill: float = 0.0
    """What a missing number is replaced by: the training median."""
    marked: bool = False
    """Whether a feature of its own says that the value was missing."""
    categories: tuple[str, ...] = ()
    other: bool = False
    """Whether rare and unseen categories share a feature; without it an unseen category is all zeros."""

    def features(self) -> list[str]:
        names = [self.name] if self.kind != "category" else [f"{self.name}={word}" for word in self.categories]
        names += [f"{self.name}=(other)"] if self.other else []
        return names + ([f"{self.name} is missing"] if self.marked else [])


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TableEncoder:
    """Turn raw columns into (N, D) float64."""

    columns: tuple[Column, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(name for column in self.columns for name in column.features())

    def encode(self, frame: pl.DataFrame, *, file: str = "", first_row: int = 0) -> np.ndarray:
        """Encode a frame that has at least the columns that were learnt from; others are not looked at.

        Raises `DataError` for columns that are missing and cells that do not fit.
        """
        missing = [column.name for column in self.columns if column.name not in frame.columns]
        if missing:
            raise missing_columns(missing, frame.columns, file=file)
        encoded = np.zeros((len(frame), len(self.feature_names)))
        left = 0
        for column in self.columns:
            width = len(column.features())
            _fill(encoded[:, left : left + width], column, frame[column.name], file, first_row)
            left += width
        return encoded

    def unseen(self, frame: pl.DataFrame) -> tuple[Message, ...]:
        """Say which categories of a frame were not among the training rows."""
        said = []
        for column in self.columns:
            if column.kind == "category" and column.name in frame.columns:
                words = as_words(frame[column.name]).drop_nulls()
                new = words.filter(~words.is_in(list(column.categories))).unique().sort().to_list()
                if new and not column.other:
                    shown = ", ".join(new[:5])
                    said.append(message("data.unseen", column=column.name, categories=shown, count=len(new)))
        return tuple(said)

    def to_plain(self) -> list[dict[str, Any]]:
        return [dataclasses.asdict(column) for column in self.columns]


def read_encoder(plain: list[dict[str, Any]]) -> TableEncoder:
    """Build an encoder from what `to_plain` wrote."""
    columns = [Column(**{**column, "categories": tuple(column["categories"])}) for column in plain]
    return TableEncoder(columns=tuple(columns))


def fit_encoder(frame: pl.DataFrame, *, file: str = "") -> tuple[TableEncoder, tuple[Message, ...]]:
    """Learn from the training rows how columns become features; say what was dropped, filled and capped.

    Raises `DataError` if no column is left.
    """
    frame, said = typed(frame, file=file)
    columns: list[Column] = []
    notes: list[Message] = list(said)
    for series in frame.get_columns():
        fit = _fit_category if series.dtype == pl.Categorical else _fit_number
        column, note = fit(series)
        columns += [column] if column else []
        notes += [note] if note else []
    if not columns:
        reasons = " ".join(note.text("en") for note in notes)
        raise DataError(f"no column is left to learn from. {reasons}".strip(), file=file or None)
    return TableEncoder(columns=tuple(columns)), tuple(notes)


def _fit_number(series: pl.Series) -> tuple[Column | None, Message | None]:
    kind = "date" if series.dtype == pl.Datetime else "number"
    values = (as_days(series) if kind == "date" else as_numbers(series)).drop_nulls()
    missing = len(series) - len(values)
    distinct = values.n_unique()
    if not distinct:
        return None, message("data.dropped_empty", column=series.name)
    if distinct == 1 and not missing:
        return None, message("data.dropped_constant", column=series.name, value=f"{values[0]:g}")
    if _is_row_number(series.name, values, len(series)):
        return None, message("data.dropped_id", column=series.name)
    fill = float(values.median())
    note = message("data.imputed", column=series.name, count=missing, value=f"{fill:g}") if missing else None
    return Column(name=series.name, kind=kind, fill=fill, marked=missing > 0), note


def _fit_category(series: pl.Series) -> tuple[Column | None, Message | None]:
    words = as_words(series).drop_nulls().alias("word")
    missing = len(series) - len(words)
    counts = words.value_counts()
    distinct = len(counts)
    if not distinct:
        return None, message("data.dropped_empty", column=series.name)
    if distinct == 1 and not missing:
        return None, message("data.dropped_constant", column=series.name, value=words[0])
    if distinct == len(words) and len(words) >= _FEW_ROWS:
        return None, message("data.dropped_id", column=series.name)
    common = counts.sort(["count", "word"], descending=[True, False])["word"].to_list()
    kept = common if distinct <= _MOST_CATEGORIES else common[: _MOST_CATEGORIES - 1]
    capped = len(kept) < distinct
    column = Column(name=series.name, kind="category", marked=missing > 0, categories=tuple(sorted(kept)), other=capped)
    return column, message("data.capped", column=series.name, count=distinct, kept=len(kept)) if capped else None


def _is_row_number(name: str, values: pl.Series, size: int) -> bool:
    named = name.lower() in _ID_NAMES or name.lower().endswith("_id")
    whole = bool((values == values.round(0)).all())
    return named and whole and len(values) == size >= _FEW_ROWS and values.n_unique() == size


def _fill(out: np.ndarray, column: Column, series: pl.Series, file: str, first_row: int) -> None:
    """Write the features of one column into `out`, (N, number of its features)."""
    if column.kind == "category":
        words = as_words(series)
        place = {word: index for index, word in enumerate(column.categories)}
        unseen = len(place) if column.other else -1
        codes = np.array([-2 if word is None else place.get(word, unseen) for word in words.to_list()], dtype=np.int64)
        known = np.flatnonzero(codes >= 0)
        out[known, codes[known]] = 1.0
        absent = codes == -2
    else:
        values = (as_days if column.kind == "date" else as_numbers)(series, file=file, first_row=first_row)
        absent = values.is_null().to_numpy()
        out[:, 0] = values.fill_null(column.fill).to_numpy()
    if column.marked:
        out[:, -1] = absent
