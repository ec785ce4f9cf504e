"""Arrays that the user holds in memory."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import polars as pl
import torch

from thalweg.core import DataError, Message, UsageError, message, storage_errors
from thalweg.core.errors import law
from thalweg.data.base import KINDS, TASKS, Dataset, OwnData, RawInputs
from thalweg.data.columns import typed
from thalweg.data.frames import as_frame, is_frame
from thalweg.data.targets import read_targets


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
        if self.y is None:
            raise UsageError(
                "`Arrays(y=...)` must be given to train, got None; without targets there is prediction only."
            )
        inputs = read_inputs(self.X, "X")
        return dataset_of(inputs, as_array(self.y, "y"), source=self, origin="")

    def load_inputs(self) -> RawInputs:
        return RawInputs(values=read_inputs(self.X, "X"))

    def save(self, path: str | Path) -> Path:
        """Write X and y as an .npz, so that a run on them can be repeated; `ArrayFile(path=...)` reads it."""
        path = Path(path)
        inputs = read_inputs(self.X, "X")
        if isinstance(inputs, pl.DataFrame):
            raise UsageError(
                "`Arrays.save(path)` writes arrays, got a data frame as X; use Frame(frame=...).save(path)."
            )
        targets = np.zeros(0) if self.y is None else as_array(self.y, "y")
        targets = targets.astype(str) if targets.dtype.kind == "O" else targets
        with storage_errors(path), path.open("wb") as file:
            np.savez(file, X=inputs, y=targets) if self.y is not None else np.savez(file, X=inputs)
        return path


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


def dataset_of(
    inputs: np.ndarray | pl.DataFrame, targets: np.ndarray, *, source: Any, origin: str
) -> Dataset:
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
    guessed = kind or {2: "table", 3: "image" if x.dtype == np.uint8 else "sequence", 4: "image"}.get(
        x.ndim, "table"
    )
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
        raise DataError(
            f"X has shape {x.shape}, but a {guessed} has {wanted[guessed]}; reshape it or give its kind."
        )
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
