"""Columns of a table: what is in them, and how their cells become numbers.

After `typed` a column is Float64 (numbers), Datetime (dates) or Categorical (words); a column that is
categorical already stays so, which is how a user says that digits are names.
"""

from collections.abc import Iterable

import polars as pl

from thalweg.core import DataError, Message, UnknownName, message

_MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", "nil", "missing")
_DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
)
_FEW = 0.1  # up to this share of words among numbers is a mistake in the file rather than a column of names
_MICROSECONDS_A_DAY = 86_400e6


def typed(
    frame: pl.DataFrame, *, categories: Iterable[str] = (), file: str = "", first_row: int = 0
) -> tuple[pl.DataFrame, tuple[Message, ...]]:
    """Find out what each column holds and give it that type.

    Raises `DataError` for words in a column of numbers, infinite numbers, and if no column is left.
    """
    columns: list[pl.Series] = []
    said: list[Message] = []
    for series in frame.get_columns():
        found = _typed_series(series, series.name in set(categories), file, first_row)
        if found is None:
            said.append(message("data.dropped_type", column=series.name, type=str(series.dtype)))
        else:
            columns.append(found)
            if found.dtype == pl.Datetime and series.dtype == pl.String:
                said.append(message("data.dates", column=series.name))
    if not columns:
        reasons = " ".join(note.text("en") for note in said)
        raise DataError(f"no column is left to learn from. {reasons}".strip(), file=file or None)
    return pl.DataFrame(columns), tuple(said)


def _typed_series(series: pl.Series, named: bool, file: str, first_row: int) -> pl.Series | None:
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        return as_words(series).cast(pl.Categorical)
    if series.dtype == pl.Object or series.dtype.is_nested() or series.dtype == pl.Binary:
        return None
    if named:
        return as_words(series).cast(pl.Categorical)
    if series.dtype.is_temporal():
        return series if series.dtype == pl.Datetime else _as_datetime(series)
    if series.dtype != pl.String:
        return as_numbers(series, file=file, first_row=first_row)
    return _typed_words(series, file, first_row)


def _typed_words(series: pl.Series, file: str, first_row: int) -> pl.Series:
    words = clean(series)
    if reads_as_numbers(words) or not words.count() or _is_truth(words):
        return as_numbers(series, file=file, first_row=first_row)
    dates = _parse_dates(words)
    if dates is not None:
        return dates
    _refuse_commas(words, file, first_row)
    return words.cast(pl.Categorical)


def reads_as_numbers(words: pl.Series) -> bool:
    """Tell whether clean words are numbers: all, or all but so few that these must be mistakes."""
    present = len(words) - words.null_count()
    num_words = present - clean(words.cast(pl.Float64, strict=False)).count()
    return bool(present > 0 and (num_words <= _FEW * present or (num_words == 1 and present >= 4)))


def clean(series: pl.Series) -> pl.Series:
    """Strip blanks and turn what stands for a missing value into null; NaN is missing too."""
    if series.dtype == pl.String:
        words = series.str.strip_chars()
        return words.set(words.str.to_lowercase().is_in(_MISSING), None)
    return series.fill_nan(None) if series.dtype.is_float() else series


def as_numbers(
    series: pl.Series,
    *,
    file: str = "",
    first_row: int = 0,
    cure: str = "correct it, or list the column under categories",
) -> pl.Series:
    """Return the cells as Float64, null where missing; raises `DataError` at the first word or infinity."""
    cells = clean(series)
    if cells.dtype.is_temporal():
        raise _wrong_cell(cells, cells.is_not_null(), "is a date where a number should be", file, first_row)
    values = _parse(cells) if cells.dtype == pl.String else clean(cells.cast(pl.Float64, strict=False))
    lost = cells.is_not_null() & values.is_null()
    if lost.any():
        raise _wrong_cell(cells, lost, f"is not a number; {cure}", file, first_row)
    infinite = values.is_infinite().fill_null(False)
    if infinite.any():
        raise _wrong_cell(cells, infinite, "is infinite; correct it or leave the cell empty", file, first_row)
    return values.alias(series.name)


def as_days(series: pl.Series, *, file: str = "", first_row: int = 0) -> pl.Series:
    """Return dates as Float64 days since 1970; raises `DataError` at the first cell that is no date."""
    cells = clean(series)
    if cells.dtype == pl.String:
        dates = _parse_dates(cells)
        if dates is None:
            raise _wrong_cell(cells, cells.is_not_null(), "is not all dates; write 2024-12-31", file, first_row)
        cells = dates
    if not cells.dtype.is_temporal():
        if cells.null_count() == len(cells):
            return pl.Series(series.name, [None] * len(cells), dtype=pl.Float64)
        raise _wrong_cell(cells, cells.is_not_null(), "is a number where a date should be", file, first_row)
    cells = cells if cells.dtype == pl.Datetime else _as_datetime(cells)
    return (cells.dt.epoch("us").cast(pl.Float64) / _MICROSECONDS_A_DAY).alias(series.name)


def as_words(series: pl.Series) -> pl.Series:
    """Return the cells as words; whole numbers are written without a point, so that 1 and 1.0 agree."""
    if series.dtype.is_float():
        values = clean(series)
        whole = values.drop_nulls()
        if (whole == whole.round(0)).all() and bool((whole.abs() < 2**53).all()):
            return values.cast(pl.Int64).cast(pl.String)
        return values.cast(pl.String)
    return clean(series.cast(pl.String, strict=False))


def missing_columns(missing: list[str], present: list[str], *, file: str) -> DataError:
    """Name the columns that a model needs and new data do not have, with the nearest one that they have."""
    hint = str(UnknownName("column", missing[0], present)).partition(": ")[2]
    names = ", ".join(f"`{name}`" for name in missing[:10])
    return DataError(f"the model needs columns that are missing: {names}; for `{missing[0]}` {hint}", file=file or None)


def _is_truth(words: pl.Series) -> bool:
    return bool(words.drop_nulls().str.to_lowercase().is_in(["true", "false"]).all())


def _parse(words: pl.Series) -> pl.Series:
    truth = words.str.to_lowercase().replace({"true": "1", "false": "0"})
    return clean(truth.cast(pl.Float64, strict=False))


def _parse_dates(words: pl.Series) -> pl.Series | None:
    present = words.drop_nulls()
    for form in _DATE_FORMATS if len(present) else ():
        first = present.head(8).str.to_datetime(form, strict=False, time_unit="us")
        if not first.null_count():
            dates = words.str.to_datetime(form, strict=False, time_unit="us")
            if dates.null_count() == words.null_count():
                return dates.dt.replace_time_zone(None)
    return None


def _as_datetime(series: pl.Series) -> pl.Series:
    if series.dtype == pl.Date:
        return series.cast(pl.Datetime("us"))
    # Times and durations count from midnight, 1 January 1970.
    return series.cast(pl.Duration("us"), strict=False).cast(pl.Int64).cast(pl.Datetime("us"))


def _refuse_commas(words: pl.Series, file: str, first_row: int) -> None:
    present = words.drop_nulls()
    if present.str.contains(r"^[+-]?[\d.]*,[\d.,]*$").sum() > len(present) / 2:
        with_comma = words.str.contains(r"^[+-]?[\d.]*,[\d.,]*$").fill_null(False)
        raise _wrong_cell(words, with_comma, "is a number with a comma; write it as 1234.5", file, first_row)


def _wrong_cell(cells: pl.Series, wrong: pl.Series, what: str, file: str, first_row: int) -> DataError:
    place = int(wrong.arg_true()[0]) if wrong.any() else 0
    return DataError(f"{cells[place]!r} {what}.", file=file or None, row=place + first_row, column=cells.name)
