"""From a dataset to the three parts of a run: split, fitted on the training rows, scaled, on the device."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from torch import Tensor

from thalweg.core import DataError, Message, UsageError, message
from thalweg.data.base import Dataset
from thalweg.data.encoder import TableEncoder, fit_encoder
from thalweg.data.part import MappedPart, Part, ResidentPart, WindowPart
from thalweg.data.preparation import Preparation, pieces
from thalweg.data.scalers import NoScale, Scaler, Standardise
from thalweg.data.split import Rows, Split, lone_classes
from thalweg.data.targets import check_finite
from thalweg.data.tokens import num_windows

RESIDENT_BYTES = 2 << 30
"""Memory-mapped inputs that would take more than this as float32 stay in their file."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared:
    """Hold the three parts of a run and what was fitted to make them."""

    train: Part
    validation: Part
    test: Part
    preparation: Preparation
    said: tuple[Message, ...]


def prepare(
    dataset: Dataset,
    *,
    split: Split,
    scaler: Scaler | None,
    seed: int,
    resident_bytes: int = RESIDENT_BYTES,
) -> Prepared:
    """Split a dataset, fit encoder, scaler and target scale on training rows, apply them to all parts.

    `scaler` None chooses by kind and says so. Raises `DataError` for data that cannot be learnt from.
    """
    parts = split.rows(dataset.targets, dataset.task, seed)
    if dataset.task == "language":
        return _prepare_language(dataset, parts, scaler)
    chosen = scaler or default_scaler(dataset.kind)
    said = [*dataset.said, *_lone(dataset)]
    if scaler is None:
        said.append(message("data.scaler", scaler=chosen.name))
    raw, encoder, notes = _numbers(dataset, parts[0])
    notes += _constant(dataset, raw, parts[0])
    preparation = _fit(dataset, raw, parts[0], chosen, encoder)
    mapped = isinstance(raw, np.memmap) and 4 * raw.size > resident_bytes
    if mapped:
        said.append(message("data.mapped", gigabytes=f"{4 * raw.size / 1e9:.1f}"))
    make = _mapped if mapped else _resident
    train, validation, test = (make(dataset, raw, rows, preparation) for rows in parts)
    said += notes
    return Prepared(train=train, validation=validation, test=test, preparation=preparation, said=tuple(said))


def default_scaler(kind: str) -> Scaler:
    """Return what suits a kind of data: variance 1 per channel for images, per feature for the rest."""
    return NoScale() if kind == "tokens" else Standardise(per="channel" if kind == "image" else "feature")


def _lone(dataset: Dataset) -> list[Message]:
    if dataset.task != "classification":
        return []
    if len(np.unique(dataset.targets)) < 2:
        raise DataError("all examples are of one class; classification needs two.", file=dataset.origin or None)
    codes = lone_classes(dataset.targets, len(dataset.class_names))
    names = [dataset.class_names[code] if dataset.class_names else str(code) for code in codes]
    return [message("data.lone_class", classes=", ".join(names[:10]), count=len(names))] if names else []


def _numbers(dataset: Dataset, train: Rows) -> tuple[np.ndarray, TableEncoder | None, tuple[Message, ...]]:
    """Return the inputs as numbers; a table is encoded by what its training rows hold."""
    if not isinstance(dataset.inputs, pl.DataFrame):
        return dataset.inputs, None, ()
    encoder, notes = fit_encoder(dataset.inputs[train], file=dataset.origin)
    return encoder.encode(dataset.inputs, file=dataset.origin), encoder, notes


def _constant(dataset: Dataset, raw: np.ndarray, train: Rows) -> tuple[Message, ...]:
    """Say which columns of an array never vary; they stay, as arrays have no names to leave them out by."""
    smallest = largest = torch.empty(0)
    for chunk in _chunks(dataset, raw, train):
        low, high = chunk.amin(dim=0), chunk.amax(dim=0)
        smallest = torch.minimum(smallest, low) if smallest.numel() else low
        largest = torch.maximum(largest, high) if largest.numel() else high
    same = (smallest == largest).flatten()
    if bool(same.all()) and len(train) > 1:
        cure = "bring inputs that differ between examples"
        raise DataError(f"every input is the same in all training rows; {cure}.", file=dataset.origin or None)
    if raw.ndim != 2 or not bool(same.any()) or isinstance(dataset.inputs, pl.DataFrame):
        return ()
    places = torch.nonzero(same).flatten().tolist()
    names = [dataset.feature_names[place] if dataset.feature_names else str(place) for place in places]
    return (message("data.constant", columns=", ".join(names[:10]), count=len(names)),)


def _fit(dataset: Dataset, raw: np.ndarray, train: Rows, scaler: Scaler, encoder: TableEncoder | None) -> Preparation:
    fitted = scaler.fit(_chunks(dataset, raw, train))
    first = torch.from_numpy(np.asarray(raw[train[:1]], dtype=np.float64)) / dataset.full_scale
    mean, deviation = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    num_outputs = max(len(dataset.class_names), int(dataset.targets.max()) + 1)
    if dataset.task == "regression":
        check_finite(dataset.targets, what="the targets", file=dataset.origin)
        mean, deviation = _target_scale(dataset.targets[train])
        num_outputs = len(mean)
    return Preparation(
        task=dataset.task,
        kind=dataset.kind,
        input_shape=tuple(scaler.apply(first, fitted).shape[1:]),
        num_outputs=num_outputs,
        feature_names=encoder.feature_names if encoder else dataset.feature_names,
        class_names=dataset.class_names or _numbered(dataset.task, num_outputs),
        target_names=dataset.target_names,
        encoder=encoder,
        scaler=scaler,
        fitted=fitted,
        raw_shape=raw.shape[1:],
        full_scale=dataset.full_scale,
        target_mean=mean,
        target_deviation=deviation,
        flat_target=dataset.targets.ndim == 1,
    )


def _numbered(task: str, count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count))) if task == "classification" else ()


def _target_scale(targets: np.ndarray) -> tuple[Tensor, Tensor]:
    y = torch.from_numpy(targets.astype(np.float64).reshape(len(targets), -1))
    deviation = y.std(dim=0, correction=0)
    return y.mean(dim=0), torch.where(deviation <= 1e-12 * y.abs().amax(dim=0), 1.0, deviation)


def _chunks(dataset: Dataset, raw: np.ndarray, rows: Rows) -> Iterator[Tensor]:
    for piece in pieces(rows, raw):
        numbers = np.asarray(raw[rows[piece]])
        check_finite(numbers, what="the inputs", file=dataset.origin, rows=rows[piece])
        yield torch.from_numpy(numbers.astype(np.float64)) / dataset.full_scale


def _targets(dataset: Dataset, rows: Rows, preparation: Preparation) -> Tensor:
    if dataset.task == "regression":
        return preparation.standardise_targets(dataset.targets[rows])
    return torch.from_numpy(dataset.targets[rows].astype(np.int64))


def _resident(dataset: Dataset, raw: np.ndarray, rows: Rows, preparation: Preparation) -> Part:
    inputs = preparation.scale_rows(raw, rows, file=dataset.origin)
    return ResidentPart(inputs=inputs, targets=_targets(dataset, rows, preparation), rows=rows)


def _mapped(dataset: Dataset, raw: np.ndarray, rows: Rows, preparation: Preparation) -> Part:
    targets = _targets(dataset, rows, preparation)
    return MappedPart(inputs=raw, scale=preparation.scale, targets=targets, rows=rows)


def _prepare_language(dataset: Dataset, parts: tuple[Rows, ...], scaler: Scaler | None) -> Prepared:
    if scaler is not None and not isinstance(scaler, NoScale):
        raise UsageError(f"`scaler` must be none for text, got {scaler.name!r}; tokens are names, not sizes.")
    tokens = torch.from_numpy(np.asarray(dataset.inputs).astype(np.int64))
    for rows in parts:
        if len(rows) and not num_windows(len(rows), window=dataset.window, stride=dataset.stride):
            need = f"a window of {dataset.window} needs {dataset.window + 1}"
            cure = "bring more text, or use a smaller window or a larger share"
            raise DataError(f"a part has {len(rows)} characters, {need}; {cure}.", file=dataset.origin or None)
    preparation = Preparation(
        task=dataset.task,
        kind=dataset.kind,
        input_shape=(dataset.window,),
        num_outputs=len(dataset.vocabulary),
        vocabulary=dataset.vocabulary,
        target_names=dataset.target_names,
        scaler=NoScale(),
        fitted={},
        raw_shape=(dataset.window,),
        target_mean=torch.zeros(1, dtype=torch.float64),
        target_deviation=torch.ones(1, dtype=torch.float64),
        window=dataset.window,
        stride=dataset.stride,
    )
    train, validation, test = (_window_part(tokens, rows, dataset) for rows in parts)
    return Prepared(train=train, validation=validation, test=test, preparation=preparation, said=dataset.said)


def _window_part(tokens: Tensor, rows: Rows, dataset: Dataset) -> Part:
    stream = tokens[rows[0] : rows[-1] + 1] if len(rows) else tokens[:0]
    return WindowPart(inputs=stream, targets=stream, rows=rows, window=dataset.window, stride=dataset.stride)
