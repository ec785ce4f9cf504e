"""CSV, TSV and Parquet files as raw columns.

Cells of a text file stay words here; what they mean is found out column by column, so that errors can name a
cell.
"""

import codecs
import csv
import gzip
import io
from pathlib import Path

import polars as pl

from thalweg.core import DataError, Message, UsageError, message
from thalweg.data.base import RawInputs
from thalweg.data.reading import existing_file, reading

_SEPARATORS = ",\t;|"


def read_table(name: str) -> tuple[RawInputs, tuple[Message, ...]]:
    """Read a table by its suffix. Raises `DataError` if it is empty, ragged, damaged or not UTF-8."""
    path = existing_file(name)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    ending = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    if ending in (".parquet", ".pq"):
        with reading(name, "Parquet"):
            frame = pl.read_parquet(path, use_pyarrow=False)
        if not len(frame) or not frame.width:
            raise DataError("the table has no rows.", file=name)
        return RawInputs(values=frame, file=name), ()
    if ending not in (".csv", ".tsv", ".tab", ".txt"):
        raise UsageError(
            f"`Table(path=...)` reads .csv, .tsv and .parquet, got {name!r}; save the table as one of these."
        )
    return _read_delimited(path, name, "\t" if ending in (".tsv", ".tab") else None)


def _read_delimited(path: Path, name: str, separator: str | None) -> tuple[RawInputs, tuple[Message, ...]]:
    content = _content(path, name)
    separator = separator or _separator(content)
    first, num_rows, num_blank = _survey(content, separator, name)
    headless = all(_is_number(cell) for cell in first)
    names = [f"column_{i + 1}" if headless or not cell.strip() else cell.strip() for i, cell in enumerate(first)]
    twice = [cell for place, cell in enumerate(names) if cell in names[:place]]
    if twice:
        raise DataError("two columns have this name; rename one of them.", file=name, row=1, column=twice[0])
    if not headless and num_rows == 1:
        raise DataError("there is a header but no row below it.", file=name)
    with reading(name, "CSV"):
        frame = pl.read_csv(
            io.BytesIO(content),
            separator=separator,
            has_header=not headless,
            new_columns=names,
            infer_schema=False,
        )
    if len(frame) != num_rows - (not headless) + num_blank or frame.width != len(names):
        raise DataError('its rows cannot be told apart; look for a quote (") that is not closed.', file=name)
    if num_blank:
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    said = (message("data.headless", count=len(names)),) if headless else ()
    return RawInputs(values=frame, file=name, first_row=1 if headless else 2), said


def _content(path: Path, name: str) -> bytes:
    with reading(name, "a table"):
        content = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        what = f"byte {content[error.start]:#04x} is not UTF-8"
        raise DataError(f"{what}; save the table as CSV in UTF-8.", file=name, row=row) from None
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise DataError("the file is empty.", file=name)
    # Blank lines at the ends say nothing, and polars would read each as a row of missing values.
    return content.replace(b"\r\n", b"\n").strip(b"\n") + b"\n"


def _separator(content: bytes) -> str:
    header = content.partition(b"\n")[0].decode()
    return max(_SEPARATORS, key=header.count)


def _survey(content: bytes, separator: str, name: str) -> tuple[list[str], int, int]:
    """Return the first row and the numbers of rows and blank lines. Raises `DataError` at a ragged row."""
    first: list[str] = []
    num_rows = num_blank = 0
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    with reading(name, "CSV"):
        for row in csv.reader(lines, delimiter=separator):
            num_rows += bool(row)
            num_blank += not row
            first = first or row
            if row and len(row) != len(first):
                surplus = f"it has {len(row)} cells, the first row has {len(first)}"
                column = min(len(row), len(first)) + 1
                raise DataError(f"{surplus}; add or remove cells.", file=name, row=num_rows + num_blank, column=column)
    return first, num_rows, num_blank


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
