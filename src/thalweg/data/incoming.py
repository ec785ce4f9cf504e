"""New data on their way to a trained model: read in any form, and fitted to what the model knows."""

from typing import Any

import numpy as np
import polars as pl
import torch

from thalweg.core import DataError
from thalweg.data.base import Dataset, OwnData, RawInputs, Source
from thalweg.data.columns import as_numbers, missing_columns
from thalweg.data.frames import as_frame, is_frame
from thalweg.data.targets import label


def read_incoming(data: Any) -> RawInputs:
    """Return the inputs of a source, a dataset, an array or a data frame."""
    if isinstance(data, OwnData):
        return data.load_inputs()
    if isinstance(data, Source):
        data = data.load()
    if isinstance(data, Dataset):
        if data.task == "language":
            return RawInputs(values="".join(np.array(data.vocabulary)[np.asarray(data.inputs)]), file=data.origin)
        return RawInputs(values=data.inputs, file=data.origin)
    if is_frame(data):
        return RawInputs(values=as_frame(data))
    if isinstance(data, torch.Tensor):
        data = data.detach().cpu().numpy()
    try:
        return RawInputs(values=np.asarray(data))
    except ValueError as error:
        raise DataError("rows of different lengths cannot be one array; give each example the same width.") from error


def fit_frame(raw: RawInputs, names: list[str]) -> pl.DataFrame:
    """Return the inputs as a frame; an array must have one column a name, in that order."""
    if isinstance(raw.values, pl.DataFrame):
        return raw.values
    array = np.atleast_2d(np.asarray(raw.values))
    if array.ndim != 2 or array.shape[1] != len(names):
        wanted = f"(N, {len(names)}): {', '.join(names[:10])}"
        raise DataError(f"the inputs have shape {array.shape}, the model needs {wanted}.", file=raw.file or None)
    columns = [pl.Series(name, array[:, place].tolist(), strict=False) for place, name in enumerate(names)]
    return pl.DataFrame(columns)


def fit_array(raw: RawInputs, names: tuple[str, ...]) -> np.ndarray:
    """Return the inputs as an array; from a frame the columns that the model knows by name."""
    if not isinstance(raw.values, pl.DataFrame):
        return np.asarray(raw.values)
    frame = raw.values
    missing = [name for name in names if name not in frame.columns]
    if missing and len(missing) < len(names):
        raise missing_columns(missing, frame.columns, file=raw.file)
    chosen = [frame[name] for name in (frame.columns if missing or not names else names)]
    columns = [as_numbers(series, file=raw.file, first_row=raw.first_row) for series in chosen]
    for series in columns:
        if series.null_count():
            row = int(series.is_null().arg_true()[0]) + raw.first_row
            cure = "this model was trained on data without missing values; fill it in"
            raise DataError(f"the cell is empty; {cure}.", file=raw.file or None, row=row, column=series.name)
    return np.stack([series.to_numpy() for series in columns], axis=1) if columns else np.zeros((len(frame), 0))


def fit_shape(array: np.ndarray, shape: tuple[int, ...], *, file: str) -> np.ndarray:
    """Return the array as (N, *shape): also one example alone, grey images, channels last."""
    if array.dtype.kind not in "biuf":
        raise DataError(f"inputs of type {array.dtype} are no numbers; give an array of numbers.", file=file or None)
    if array.shape[1:] == shape:
        return array
    if array.shape == shape:
        return array[None]
    if len(shape) == 3:
        channels, height, width = shape
        if channels == 1 and array.shape[-2:] == (height, width) and array.ndim in (2, 3):
            return array.reshape(-1, *shape)
        if array.shape[1:] == (height, width, channels):
            return np.moveaxis(array, -1, 1)
    raise DataError(
        f"the inputs have shape {array.shape}, the model needs (N, {', '.join(map(str, shape))}).",
        file=file or None,
    )


def match_classes(dataset: Dataset, known: tuple[str, ...]) -> np.ndarray:
    """Return the model's code of each target, by name: new data may hold fewer classes, in another order."""
    names, codes = dataset.class_names, dataset.targets
    if not names:
        distinct, codes = np.unique(dataset.targets, return_inverse=True)
        names = tuple(label(value) for value in distinct.tolist())
    for code, name in enumerate(names):
        if name not in known and (codes == code).any():
            reason = f"class {name!r} was not trained on; the model knows {', '.join(known[:20])}"
            raise DataError(f"{reason}.", file=dataset.origin or None, row=int(np.argmax(codes == code)))
    place = [known.index(name) if name in known else -1 for name in names]
    matched: np.ndarray = np.array(place, dtype=np.int64)[codes]
    return matched
