"""Targets: classes or values, told apart by what they are."""

import dataclasses
from typing import Any

import numpy as np

from thalweg.core import DataError, Message, message

_MOST_CLASSES = 20  # whole numbers with more values than this are read as quantities


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Targets:
    """Hold what was made of a column of targets."""

    values: np.ndarray
    task: str
    class_names: tuple[str, ...] = ()
    said: tuple[Message, ...] = ()


def read_targets(
    raw: np.ndarray, *, task: str | None, column: str, file: str, class_names: tuple[str, ...] = ()
) -> Targets:
    """Read targets as classes (codes into sorted names) or as float64 values.

    Raises `DataError` for numbers that are not finite, labels outside `class_names` and fewer than two
    classes.
    """
    raw = _plain(raw, column, file)
    chosen = task or ("classification" if class_names or looks_like_classes(raw) else "regression")
    if chosen == "classification":
        if raw.ndim > 1:
            shape = f"of shape {raw.shape}"
            raise DataError(
                f"classes must be one label an example, but they are {shape}; give (N,) labels.",
                file=file or None,
            )
        values, names = _encode(raw, class_names, column, file)
    else:
        values, names = _values(raw, column, file), ()
    said = () if task or class_names else (_guess(chosen, raw, column, names),)
    return Targets(values=values, task=chosen, class_names=names, said=said)


def looks_like_classes(raw: np.ndarray) -> bool:
    """Tell whether targets are labels: words, truth values, or few different whole numbers."""
    if raw.dtype.kind in "UOSb":
        return True
    if raw.ndim > 1 or raw.dtype.kind not in "iuf":
        return False
    distinct = np.unique(raw)
    whole = raw.dtype.kind in "iu" or bool(np.all(distinct == np.floor(distinct)))
    return whole and len(distinct) <= min(_MOST_CLASSES, max(2, len(raw) // 2))


def label(value: Any) -> str:
    """Write a label as its class is called: 1.0 and 1 are the same class."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def check_finite(values: np.ndarray, *, what: str, file: str, rows: np.ndarray | None = None) -> None:
    """Raise `DataError` with count and first place of NaN and infinity; `rows` number the rows."""
    if values.dtype.kind not in "fc" or not values.size:
        return
    flat = values.reshape(len(values), -1)
    bad = ~np.isfinite(flat)
    if bad.any():
        place, column = (int(index) for index in np.argwhere(bad)[0])
        row = place if rows is None else int(rows[place])
        count, first = int(bad.sum()), flat[place, column]
        reason = f"{what} hold NaN or infinite values, {count} of them, the first is {first}"
        cure = "remove them, or bring a table (CSV, data frame), in which missing values are filled in"
        raise DataError(f"{reason}; {cure}.", file=file or None, row=row, column=column)


def _plain(raw: np.ndarray, column: str, file: str) -> np.ndarray:
    if raw.ndim == 0:
        raise DataError("the targets are a single value; give one an example.", file=file or None)
    if raw.ndim == 2 and raw.shape[1] == 1:
        raw = raw[:, 0]
    if raw.dtype.kind == "O":
        for row, value in enumerate(raw.ravel()):
            if not isinstance(value, str | bool | int | float | np.generic):
                kind = type(value).__name__
                raise DataError(
                    f"a target must be a word or a number, but this one is a {kind}.",
                    file=file or None,
                    row=row,
                )
        raw = np.array([label(value) for value in raw.ravel()]).reshape(raw.shape)
    if raw.dtype.kind not in "UbiufS":
        raise DataError(f"targets of type {raw.dtype} can be neither classes nor values.", file=file or None)
    check_finite(raw, what="the targets", file=file)
    return raw


def _encode(
    raw: np.ndarray, class_names: tuple[str, ...], column: str, file: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    if class_names and raw.dtype.kind in "iu":
        outside = (raw < 0) | (raw >= len(class_names))
        if outside.any():
            row = int(np.argmax(outside))
            reason = f"label {raw[row]} lies outside the {len(class_names)} classes 0 to {len(class_names) - 1}"
            raise DataError(f"{reason}; give every class a name.", file=file or None, row=row)
        return raw.astype(np.int64), class_names
    distinct, codes = np.unique(raw, return_inverse=True)
    names = tuple(label(value) for value in distinct.tolist())
    if class_names:
        return _encode_named(names, codes, class_names, file), class_names
    if len(names) < 2:
        where = f"target {column!r} has" if column else "the targets have"
        raise DataError(f"{where} the single class {names[0]!r}; classification needs at least two.", file=file or None)
    return codes.reshape(-1).astype(np.int64), names


def _encode_named(names: tuple[str, ...], codes: np.ndarray, class_names: tuple[str, ...], file: str) -> np.ndarray:
    for code, name in enumerate(names):
        if name not in class_names:
            row = int(np.argmax(codes == code))
            known = ", ".join(class_names[:20])
            raise DataError(f"class {name!r} is not among the classes {known}.", file=file or None, row=row)
    place = np.array([class_names.index(name) for name in names], dtype=np.int64)
    matched: np.ndarray = place[codes.reshape(-1)]
    return matched


def _values(raw: np.ndarray, column: str, file: str) -> np.ndarray:
    try:
        values = raw.astype(np.float64)
    except ValueError:
        row = next(place for place, value in enumerate(raw.ravel()) if not _is_number(value))
        reason = f"target {str(raw.ravel()[row])!r} is not a number"
        raise DataError(
            f"{reason}; correct it, or use task = classification.", file=file or None, row=row, column=column
        ) from None
    check_finite(values, what="the targets", file=file)
    if len(values) > 1 and (values == values[0]).all():
        reason = f"the target is {values.ravel()[0]:g} in every row, so there is nothing to learn"
        raise DataError(f"{reason}; name another one.", file=file or None, column=column)
    return values


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _guess(task: str, raw: np.ndarray, column: str, names: tuple[str, ...]) -> Message:
    if task == "classification":
        return message("data.task_classification", column=column or "y", count=len(names))
    return message("data.task_regression", column=column or "y", count=len(np.unique(raw)))
