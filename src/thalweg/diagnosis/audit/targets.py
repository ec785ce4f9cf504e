"""What targets are: their kind, their scale against a network whose outputs start near 0 ± 1, their classes.

FAR 10: the output's bias starts within ±1 and moves by about the rate a step; to reach a mean or deviation of 10 costs
the bulk of a short training, while targets of a few units (up to log prices around 10) are reached in passing.
UNLIKE 20: outputs whose deviations differ 20 times weigh 400 times differently in a common squared loss.
PROBABILITY_SUM: rows that add up to 1 within 1e-3, float16's rounding.
"""

import dataclasses
from typing import Literal, TypeAlias, final

import numpy as np

from thalweg.diagnosis.audit.rows import Array, Given, Index, chosen

Kind: TypeAlias = Literal["classes", "binary", "signs", "one-hot", "multi-label", "probabilities", "real", "constant"]
CLASSED: tuple[Kind, ...] = ("classes", "binary", "signs", "one-hot")
FAR, UNLIKE, PROBABILITY_SUM = 10.0, 20.0, 1e-3
_CAP = 50_000  # entries of real targets that are looked at


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Targets:
    """Hold what targets are. `counts` are those of the classes 0, 1, ... (binary and signs: low, high), else empty."""

    kind: Kind
    num_rows: int
    num_outputs: int  # columns beside the rows; of one-hot and probabilities the classes
    num_values: int  # distinct numbers among them
    mean: float
    deviation: float  # over all entries
    counts: tuple[int, ...] = ()
    spread: float = 1.0  # largest over smallest deviation among the outputs

    @property
    def scale(self) -> float:
        """Return the root mean square: what an output of zero is wrong by."""
        return float(np.hypot(self.mean, self.deviation))

    @property
    def offset(self) -> float:
        """Return |mean| / deviation: how much of the scale is a mere constant."""
        return abs(self.mean) / self.deviation if self.deviation > 0 else np.inf

    @property
    def far(self) -> bool:
        """Say whether real targets lie far from where a network's outputs start."""
        return self.kind == "real" and self.scale > FAR

    @property
    def unlike(self) -> bool:
        return self.kind == "real" and self.spread > UNLIKE

    @property
    def majority(self) -> float:
        """Return the share of the commonest class, NaN without classes."""
        return max(self.counts) / sum(self.counts) if self.counts else np.nan

    @property
    def entropy(self) -> float:
        """Return the entropy of the class counts in nats: the cross-entropy of the best constant answer."""
        share = np.array([count for count in self.counts if count]) / max(1, sum(self.counts))
        return float(-(share * np.log(share)).sum()) if self.counts else np.nan


def describe_targets(y: Given, *, ignore: int = -100) -> Targets:
    """Tell what targets (N,), (N, K) or (N, L, ...) are; integers are class numbers, those equal to `ignore` are none.

    >>> describe_targets(np.array([0, 2, 2, 1])).counts
    (1, 1, 2)
    """
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    kind = kind_of(y, ignore=ignore)
    flat = y.reshape(len(y), -1)[chosen(len(y), max(1, _CAP // max(1, y[0].size)))].astype(np.float64)
    flat = np.where(np.isfinite(flat), flat, 0.0)
    counts: Index = np.zeros(0, dtype=np.int64)
    if kind == "classes":
        counts = np.bincount(y[y >= 0].reshape(-1).astype(np.int64))
    elif kind in ("binary", "signs"):
        counts = np.array([(y <= 0).sum(), (y > 0).sum()])
    elif kind == "one-hot":
        counts = y.reshape(-1, y.shape[-1]).sum(0).astype(np.int64)
    deviations = flat.std(0)
    useful = deviations[deviations > 0]
    return Targets(
        kind=kind,
        num_rows=len(y),
        num_outputs=flat.shape[1],
        num_values=len(np.unique(flat)),
        mean=float(flat.mean()),
        deviation=float(flat.std()),
        counts=tuple(int(count) for count in counts),
        spread=float(useful.max() / useful.min()) if len(useful) > 1 else 1.0,
    )


def kind_of(y: Given, *, ignore: int = -100) -> Kind:
    """Tell the kind of targets from their dtype, their values and the sums of their rows."""
    y = np.asarray(y)
    values = y[y != ignore] if y.dtype.kind in "iu" else y[np.isfinite(y)]
    if not values.size or (y.dtype.kind == "f" and values.min() == values.max()):
        return "constant"
    if y.dtype.kind == "b":
        return "multi-label" if y.ndim > 1 else "binary"
    rows = y.ndim > 1 and y.shape[-1] > 1
    sums_to_one = rows and bool(np.abs(y.reshape(-1, y.shape[-1]).sum(1) - 1).max() < PROBABILITY_SUM)
    if _within(values, 0, 1):
        if y.dtype.kind in "iu" and not rows:
            return "classes"
        return "one-hot" if sums_to_one else "multi-label" if rows else "binary"
    if y.dtype.kind in "iu":
        return "real" if values.min() < 0 else "classes"
    if _within(values, -1, 1) and not rows:
        return "signs"
    return "probabilities" if sums_to_one and values.min() >= 0 else "real"


def labels_of(y: Given) -> Index | None:
    """Return one class number a row, (N,), where targets are classes of rows; None for anything else."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    kind = kind_of(y)
    if kind == "one-hot" and y.ndim == 2:
        return np.asarray(y.argmax(1), dtype=np.int64)
    if y.ndim != 1 or kind not in CLASSED:
        return None
    return y.astype(np.int64) if kind == "classes" else (y > 0).astype(np.int64)


def numbers_of(y: Given) -> Array:
    """Return targets as numbers (N, K) for a least-squares fit: classes as their indicator columns."""
    labels = labels_of(y)
    if labels is not None:
        return np.asarray(labels[:, None] == np.unique(labels), dtype=np.float64)
    numbers = np.asarray(y).reshape(len(y), -1).astype(np.float64)
    return np.where(np.isfinite(numbers), numbers, 0.0)


def _within(values: Given, low: int, high: int) -> bool:
    return bool(((values == low) | (values == high)).all())
