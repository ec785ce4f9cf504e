"""What every source of arrays shares: reading numbers, guessing kinds, building the dataset."""

from typing import Any

import numpy as np
import polars as pl
import torch

from thalweg.core import DataError, Message, message
from thalweg.core.errors import law
from thalweg.data.base import KINDS, TASKS, Dataset
from thalweg.data.columns import typed
from thalweg.data.frames import as_frame, is_frame
from thalweg.data.targets import read_targets


def check_choices(call: str, *, task: str | None, kind: str | None = None) -> None:
    """Raise `UsageError` for a task or kind that arrays and tables cannot have."""
    if task not in (None, *TASKS[:2]):
        raise law(f"{call}(task=...)", f"must be {' or '.join(TASKS[:2])}", task)
    if kind not in (None, *KINDS[:4]):
        raise law(f"{call}(kind=...)", f"must be one of {', '.join(KINDS[:4])}", kind)


def read_inputs(data: Any, what: str, *, file: str = "") -> np.ndarray | pl.DataFrame:
    """Return inputs as an array of numbers or as a frame. Raises `DataError` for words among the numbers."""
    if is_frame(data):
        return as_frame(data)
    array = as_array(data, what, file=file)
    if array.dtype.kind in "OUS":
        return _numbers(array, what, file)
    if array.dtype.kind not in "biuf":
        raise DataError(f"{what} of type {array.dtype} is not made of numbers.", file=file or None)
    if array.ndim < 1 or 0 in array.shape:
        raise DataError(
            f"{what} has shape {array.shape}; give at least one example and one feature.", file=file or None
        )
    return array[:, None] if array.ndim == 1 else array


def as_array(data: Any, what: str, *, file: str = "") -> np.ndarray:
    """Return anything array-like as an array, a memory-mapped one as it is."""
    if isinstance(data, np.ndarray):
        return data
    if isinstance(data, torch.Tensor):
        return data.detach().cpu().numpy()
    try:
        return np.asarray(data)
    except (ValueError, TypeError) as error:
        cure = "give each example the same number of features"
        raise DataError(f"{what} has rows of different lengths; {cure}.", file=file or None) from error


def dataset_of(inputs: np.ndarray | pl.DataFrame, targets: np.ndarray, *, source: Any, origin: str) -> Dataset:
    """Build a dataset from inputs, targets and a source's `task`, `kind` and `class_names`."""
    if len(inputs) != (len(targets) if targets.ndim else 0):
        counts = f"X has {len(inputs)} examples, y has {len(targets) if targets.ndim else 'a single value'}"
        raise DataError(f"{counts}; give one target an example.", file=origin or None)
    read = read_targets(targets, task=source.task, column="y", file=origin, class_names=source.class_names)
    if isinstance(inputs, pl.DataFrame):
        x, notes = typed(inputs)
        kind, scale = "table", 1.0
    else:
        x, kind, notes = shape_inputs(inputs, source.kind)
        scale = float(np.iinfo(x.dtype).max) if kind == "image" and x.dtype in (np.uint8, np.uint16) else 1.0
    width = read.values.shape[1] if read.values.ndim > 1 else 1
    return Dataset(
        inputs=x,
        targets=read.values,
        task=read.task,
        kind=kind,
        class_names=read.class_names,
        target_names=("y",) if width == 1 else tuple(f"y{place + 1}" for place in range(width)),
        full_scale=scale,
        said=(*notes, *read.said),
        origin=origin,
    )


def shape_inputs(x: np.ndarray, kind: str | None) -> tuple[np.ndarray, str, tuple[Message, ...]]:
    """Return inputs in PyTorch's order of axes, their kind, and what was guessed about them."""
    guessed = kind or {2: "table", 3: "image" if x.dtype == np.uint8 else "sequence", 4: "image"}.get(x.ndim, "table")
    said = () if kind or x.ndim == 2 else (message("data.kind", shape=str(x.shape), kind=guessed),)
    if guessed == "image" and x.ndim == 3:
        return x[:, None], guessed, said
    if guessed == "image" and x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4):
        return np.moveaxis(x, 3, 1), guessed, (*said, message("data.channels_last", shape=str(x.shape)))
    if x.ndim not in {"table": (2,), "points": (2,), "image": (4,), "sequence": (3,)}[guessed]:
        wanted = {
            "table": "(N, D)",
            "points": "(N, 2)",
            "image": "(N, H, W) or (N, C, H, W)",
            "sequence": "(N, L, D)",
        }
        raise DataError(f"X has shape {x.shape}, but a {guessed} has {wanted[guessed]}; reshape it or give its kind.")
    return x, guessed, said


def _numbers(array: np.ndarray, what: str, file: str) -> np.ndarray:
    try:
        return read_inputs(array.astype(np.float64), what, file=file)
    except (ValueError, TypeError):
        for place, cell in np.ndenumerate(array):
            try:
                float(cell)
            except (ValueError, TypeError):
                column = place[1] if len(place) > 1 else None
                reason = f"{str(cell)!r} in {what} is not a number; give numbers, or a data frame with words"
                raise DataError(f"{reason}.", file=file or None, row=place[0], column=column) from None
        raise
