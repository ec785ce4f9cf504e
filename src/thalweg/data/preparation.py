"""What stands between raw data and a network: fitted on training rows, saved with the model.

Axis letters: B batch, N examples, D features, K classes, L positions, T targets.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from thalweg.core import DataError, Message, RunError, ThalwegError, from_plain, to_plain
from thalweg.data.base import Dataset, RawInputs, Source
from thalweg.data.encoder import TableEncoder, read_encoder
from thalweg.data.incoming import fit_array, fit_frame, fit_shape, match_classes, read_incoming
from thalweg.data.scalers import SCALERS, Scaler
from thalweg.data.scalers.base import Fitted
from thalweg.data.sealed import read_sealed, write_sealed
from thalweg.data.targets import check_finite
from thalweg.data.tokens import encode_text, windows

_SEALED_AS = "preparation"
_SCALER = "scaler."
_CHUNK = 16 << 20  # bytes of float64 that are scaled at a time


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Preparation:
    """Hold everything that turns new data into model inputs, and model outputs into classes and values."""

    task: str
    kind: str
    input_shape: tuple[int, ...]
    """Shape of one model input, after scaling; (L,) for language."""
    num_outputs: int
    """K classes, T targets, or the size of the vocabulary."""
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    encoder: TableEncoder | None = None
    scaler: Scaler
    fitted: Fitted
    raw_shape: tuple[int, ...]
    full_scale: float = 1.0
    target_mean: Tensor
    target_deviation: Tensor
    flat_target: bool = True
    """Whether targets came as (N,), so that values are given back in that shape."""
    window: int = 0
    stride: int = 0

    def encode(self, data: Source | Dataset | np.ndarray | pl.DataFrame | str) -> Tensor:
        """Return model inputs for new data; a target column may be there or not.

        For language a string gives (1, its length), a corpus its windows (N, L).
        Raises `DataError` for missing columns, another width and cells that do not fit.
        """
        if self.task == "language":
            return self._tokens(data) if isinstance(data, str | np.ndarray) else self._windows(data)[0]
        return self._encode(read_incoming(data))

    def unseen(self, data: Source | Dataset | np.ndarray | pl.DataFrame) -> tuple[Message, ...]:
        """Say which categories of new data the training rows did not hold; their features are all zero."""
        if self.encoder is None:
            return ()
        values = read_incoming(data).values
        return self.encoder.unseen(values) if isinstance(values, pl.DataFrame) else ()

    def scale(self, raw: np.ndarray) -> Tensor:
        """Scale a batch of raw numbers (B, *raw_shape) to model inputs (B, *input_shape), float32."""
        x = torch.from_numpy(np.ascontiguousarray(raw, dtype=np.float64))
        return self.scaler.apply(x / self.full_scale, self.fitted)

    def scale_rows(self, raw: np.ndarray, rows: np.ndarray, *, file: str = "") -> Tensor:
        """Scale the named rows piece by piece. Raises `DataError` for NaN and infinity, before or after."""
        scaled = torch.empty((len(rows), *self.input_shape))
        for piece in pieces(rows, raw):
            numbers = np.asarray(raw[rows[piece]])
            check_finite(numbers, what="the inputs", file=file, rows=rows[piece])
            scaled[piece] = self.scale(numbers)
        if not torch.isfinite(scaled).all():
            row = int(rows[int(torch.argmin(torch.isfinite(scaled.flatten(1)).all(dim=1).int()))])
            cure = "divide that feature by its unit or use the scaler `standardise`"
            raise DataError(f"after scaling the inputs are too large for float32; {cure}.", file=file or None, row=row)
        return scaled

    def decode(self, outputs: Tensor) -> np.ndarray:
        """Return class names (B,) for logits, values in the target's unit, or characters for language."""
        outputs = self._outputs(outputs)
        if self.task == "regression":
            return self.decode_targets(outputs)
        names = self.class_names if self.task == "classification" else self.vocabulary
        words: np.ndarray = np.array(names)[outputs.argmax(dim=-1).numpy()]
        return words

    def probabilities(self, outputs: Tensor) -> np.ndarray:
        """Return the probability of each class, (B, K) float64: softmax of the logits."""
        if self.task == "regression":
            raise DataError("a regression has values, not probabilities; use decode(outputs).")
        return self._outputs(outputs).to(torch.float64).softmax(dim=-1).numpy()

    def encode_targets(self, dataset: Dataset) -> Tensor:
        """Return targets as training wants them: (N,) int64 codes, or (N, T) float32 in deviations.

        Raises `DataError` for classes that were not trained on and for another number of targets.
        """
        file = dataset.origin
        if self.task == "language":
            return self._windows(dataset)[1]
        if self.task == "classification":
            return torch.from_numpy(match_classes(dataset, self.class_names))
        values = np.asarray(dataset.targets, dtype=np.float64).reshape(len(dataset), -1)
        if values.shape[1] != self.num_outputs:
            counts = f"{values.shape[1]} targets an example, the model has {self.num_outputs}"
            raise DataError(f"{counts}; bring the same targets.", file=file or None)
        check_finite(values, what="the targets", file=file)
        return self.standardise_targets(values)

    def standardise_targets(self, values: np.ndarray) -> Tensor:
        """Return values (N,) or (N, T) as (N, T) float32 in deviations from the training mean."""
        y = torch.from_numpy(np.asarray(values, dtype=np.float64)).reshape(-1, len(self.target_mean))
        return ((y - self.target_mean) / self.target_deviation).to(torch.float32)

    def decode_targets(self, targets: Tensor) -> np.ndarray:
        """Return class names for codes, or values in the target's unit: the inverse of `encode_targets`."""
        targets = targets.detach().cpu()
        if self.task != "regression":
            words: np.ndarray = np.array(self.class_names or self.vocabulary)[targets.numpy()]
            return words
        values = targets.to(torch.float64).reshape(-1, len(self.target_mean)) * self.target_deviation + self.target_mean
        return (values[:, 0] if self.flat_target else values).numpy()

    def save(self, path: str | Path) -> None:
        """Write everything into one safetensors file, with a JSON record in its metadata."""
        record = {name: getattr(self, name) for name in _PLAIN}
        record |= {
            "scaler": to_plain(self.scaler),
            "encoder": self.encoder.to_plain() if self.encoder else None,
        }
        tensors = {_SCALER + name: tensor for name, tensor in self.fitted.items()}
        tensors |= {"target_mean": self.target_mean, "target_deviation": self.target_deviation}
        write_sealed(Path(path), _SEALED_AS, record=record, tensors=tensors)

    @classmethod
    def load(cls, path: str | Path) -> "Preparation":
        """Read what `save` wrote. Raises `RunError` for a damaged or foreign file."""
        record, tensors = read_sealed(Path(path), _SEALED_AS)
        try:
            fields: dict[str, Any] = {name: _frozen(record[name]) for name in _PLAIN}
            return cls(
                **fields,
                scaler=from_plain(SCALERS, record["scaler"], "scaler"),
                encoder=read_encoder(record["encoder"]) if record["encoder"] is not None else None,
                fitted={name.removeprefix(_SCALER): t for name, t in tensors.items() if name.startswith(_SCALER)},
                target_mean=tensors["target_mean"],
                target_deviation=tensors["target_deviation"],
            )
        except (KeyError, TypeError, AttributeError, ThalwegError) as error:
            raise RunError(f"{path} lacks a part of what it should hold ({error}); restore it from a copy.") from error

    def _encode(self, raw: RawInputs) -> Tensor:
        values = raw.values
        if self.encoder is not None:
            frame = fit_frame(raw, [column.name for column in self.encoder.columns])
            values = self.encoder.encode(frame, file=raw.file, first_row=raw.first_row)
        else:
            values = fit_array(raw, self.feature_names)
            if raw.last_may_be_target and values.shape[1:] == (self.raw_shape[0] + 1,):
                values = values[:, :-1]
            values = fit_shape(values, self.raw_shape, file=raw.file)
        return self.scale_rows(values, np.arange(len(values)), file=raw.file)

    def _tokens(self, text: str | np.ndarray) -> Tensor:
        if isinstance(text, str):
            return encode_text(text, self.vocabulary)[None]
        if text.dtype.kind not in "iu" or (text.size and not 0 <= text.min() <= text.max() < self.num_outputs):
            raise DataError(f"tokens must be whole numbers from 0 to {self.num_outputs - 1}; encode the text instead.")
        return torch.from_numpy(np.atleast_2d(text).astype(np.int64))

    def _windows(self, data: object) -> tuple[Tensor, Tensor]:
        text = read_incoming(data).values
        if not isinstance(text, str):
            raise DataError("a language model reads text; give a string, a text source or its dataset.")
        return windows(encode_text(text, self.vocabulary), window=self.window, stride=self.stride)

    def _outputs(self, outputs: Tensor) -> Tensor:
        outputs = outputs.detach().cpu()
        if self.task == "regression" and outputs.ndim == 1 and self.num_outputs == 1:
            outputs = outputs[:, None]
        if outputs.ndim < 2 or outputs.shape[-1] != self.num_outputs:
            shape, wanted = tuple(outputs.shape), f"(B, {self.num_outputs})"
            raise DataError(f"model outputs must have shape {wanted}, got {shape}; give it {wanted[4:-1]} outputs.")
        return outputs


_PLAIN = tuple(
    field.name
    for field in dataclasses.fields(Preparation)
    if field.name not in ("scaler", "encoder", "fitted", "target_mean", "target_deviation")
)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def pieces(rows: np.ndarray, raw: np.ndarray) -> list[slice]:
    """Cut rows into slices of about 16 MB of float64."""
    width = max(1, int(np.prod(raw.shape[1:])))
    step = max(1, _CHUNK // (8 * width))
    return [slice(left, min(left + step, len(rows))) for left in range(0, len(rows), step)]
