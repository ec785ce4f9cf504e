"""One example as a person can look at it: a small picture, the values of its features, or its text."""

import dataclasses
import io

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from PIL import Image

from thalweg.data import Dataset, Part, Preparation
from thalweg.report.sparkline import sparkline

MOST_FEATURES = 6
MOST_LETTERS = 160
_PIXELS = 64  # longest side of a picture
_CURVE = 24  # columns of a sequence


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """Hold an example, what it is, and what it was taken for."""

    split: str
    row: int
    """Its index in the source, from 0; for text the place of its first character."""
    truth: str
    predicted: str
    probability: tuple[float, float] | None
    """Of the truth and of the prediction."""
    loss: float
    picture: bytes | None = None
    """A PNG."""
    features: tuple[tuple[str, str], ...] = ()
    """Names and values; the most unusual where there are many."""
    text: str = ""


Verdict = tuple[str, str, tuple[float, float] | None, float]


def show_example(
    dataset: Dataset, preparation: Preparation, part: Part, place: int, *, split: str, judged: Verdict
) -> Example:
    """Show the example at `place` of a part; `judged` holds truth, prediction, probabilities and loss."""
    truth, predicted, probability, loss = judged
    inputs = part.batch(torch.tensor([place]))[0][0].numpy()
    row = _row(part, place, preparation)
    example = Example(split=split, row=row, truth=truth, predicted=predicted, probability=probability, loss=loss)
    if preparation.kind == "tokens":
        letters = "".join(preparation.vocabulary[code] for code in inputs.tolist())
        return dataclasses.replace(example, text=letters[:MOST_LETTERS])
    if isinstance(dataset.inputs, pl.DataFrame):
        cells = [(name, _cell(value)) for name, value in dataset.inputs.row(row, named=True).items()]
        return dataclasses.replace(example, features=tuple(cells[:MOST_FEATURES]))
    raw = np.asarray(dataset.inputs[row])
    if preparation.kind == "image":
        return dataclasses.replace(example, picture=picture(raw, dataset.full_scale))
    if raw.ndim > 1:
        return dataclasses.replace(example, text=sparkline(raw.reshape(len(raw), -1)[:, 0].tolist(), _CURVE))
    return dataclasses.replace(example, features=_features(raw, inputs, preparation.feature_names))


def picture(raw: NDArray, full_scale: float) -> bytes:
    """Draw channels (C, H, W) or (H, W) as a PNG of at most 64 pixels a side; others widen it."""
    planes = np.asarray(raw, dtype=np.float64) / full_scale
    planes = planes[None] if planes.ndim == 2 else planes
    low, high = float(planes.min()), float(planes.max())
    if low < 0 or high > 1:
        planes = (planes - low) / ((high - low) or 1.0)
    if len(planes) != 3:
        planes = planes.mean(axis=0, keepdims=True)
    bytes_HWC = (planes.clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)
    image = Image.fromarray(bytes_HWC if bytes_HWC.shape[2] == 3 else bytes_HWC[..., 0])
    image.thumbnail((_PIXELS, _PIXELS))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _row(part: Part, place: int, preparation: Preparation) -> int:
    if preparation.kind == "tokens":
        return int(part.rows[0]) + place * preparation.stride
    return int(part.rows[place])


def _features(raw: NDArray, scaled: NDArray, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the values furthest from what is usual, by what the network saw of them."""
    order = np.argsort(-np.abs(scaled), kind="stable") if scaled.shape == raw.shape else np.arange(len(raw))
    shown = sorted(order[:MOST_FEATURES].tolist())
    return tuple((names[k] if k < len(names) else f"x{k}", _cell(raw[k].item())) for k in shown)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
