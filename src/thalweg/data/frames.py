"""Data frames of other libraries, as polars frames."""

from typing import Any

import numpy as np
import polars as pl

from thalweg.core import DataError
from thalweg.data.targets import label


def is_frame(data: object) -> bool:
    """Tell whether something is a data frame, without importing the library that it comes from."""
    kind = type(data)
    return isinstance(data, pl.DataFrame | pl.LazyFrame) or (
        kind.__module__.partition(".")[0] == "pandas" and kind.__name__ == "DataFrame"
    )


def as_frame(data: Any) -> pl.DataFrame:
    """Return a polars frame with the same columns; pandas needs no pyarrow for that."""
    if isinstance(data, pl.LazyFrame):
        return data.collect()
    if isinstance(data, pl.DataFrame):
        return data
    names = [str(name) for name in data.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"two columns are called {twice[0]!r}; rename one of them.")
    return pl.DataFrame([_series(name, data.iloc[:, place]) for place, name in enumerate(names)])


def _series(name: str, column: Any) -> pl.Series:
    if str(column.dtype) == "category":
        words = [None if missing else label(cell) for cell, missing in zip(column, column.isna(), strict=True)]
        return pl.Series(name, words, dtype=pl.String).cast(pl.Categorical)
    values = column.to_numpy()
    if values.dtype.kind in "biu":
        return pl.Series(name, values)
    if values.dtype.kind == "f":
        return pl.Series(name, values.astype(np.float64)).fill_nan(None)
    if values.dtype.kind in "mM":
        return pl.Series(name, values.astype(f"{values.dtype.kind}8[us]"))
    cells = [None if missing else cell for cell, missing in zip(values.tolist(), column.isna(), strict=True)]
    if all(cell is None or isinstance(cell, bool | int | float) for cell in cells):
        return pl.Series(name, [None if cell is None else float(cell) for cell in cells], dtype=pl.Float64)
    return pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
