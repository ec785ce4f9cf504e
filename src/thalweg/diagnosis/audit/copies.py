"""Targets that stand in the inputs: the answer was left among what is asked.

A target copies an entry of its row if the two agree in nearly all rows. COPIED 0.995: agreement; a chain of states that
stays put 99 times of 100 remains below. CLOSE 1e-5 target deviations: float32's rounding after two scalings. Agreement
up to one offset and scale for all rows (`affine`) is found by a correlation of 1 - 1e-8. COMMON 0.9: where
frequencies alone make so many rows agree, agreement says nothing.

Sequences: with targets (N, L) or (N, L, D) beside inputs of the same length, position t is compared with input
position t + offset. Offset 0 shows the answer at its own place; offset 1 is how every language model is fed, and a leak
only where later positions are visible; the whole input as the target is an autoencoder. All three are told apart, none
is judged.
"""

import dataclasses
from typing import Literal, TypeAlias, final

import numpy as np

from thalweg.diagnosis.audit.rows import Array, Given, chosen, flat

How: TypeAlias = Literal["exact", "affine"]
COPIED, CLOSE, COMMON, OFFSETS = 0.995, 1e-5, 0.9, 3
_CAP, _OUTPUTS, _PROBE = 2000, 16, 200


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Copy:
    """Hold how far targets stand in the inputs.

    `entry` is the place in the flattened row (for `offset`, None), `offset` the distance along the sequence.
    """

    share: float  # rows, or positions, where target and entry agree
    chance: float  # share that would agree if rows were put together at random
    how: How
    entry: int | None
    offset: int | None
    whole: bool  # the target is the entire input: autoencoding

    @property
    def copied(self) -> bool:
        return self.share >= COPIED and self.chance < COMMON and not self.whole


def find_copy(x: Given, y: Given) -> Copy | None:
    """Find where targets (N, ...) stand among the entries of inputs (N, ...) best; None without rows or variation.

    >>> find_copy(np.array([[7, 1], [8, 2], [9, 3]] * 5), np.array([1, 2, 3] * 5)).entry
    1
    """
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y) or len(x) < 10 or y.std() == 0:
        return None
    rows = chosen(len(x), _CAP)
    x, y = x[rows], y[rows]
    if x.shape == y.shape and _agree(x.astype(np.float64), y.astype(np.float64), _close(y)).mean() >= COPIED:
        return Copy(
            share=1.0, chance=_chance(x, y), how="exact", entry=None, offset=0, whole=x.ndim != 2 or x.dtype.kind == "f"
        )
    along = _along(x, y)
    return along if along is not None and along.share >= COPIED else _among(x, y)


def _along(x: Given, y: Given) -> Copy | None:
    """Compare sequences position by position, at small offsets, where inputs and targets are equally long."""
    if y.ndim < 2 or x.shape[:2] != y.shape[:2] or x.shape[1] < 4 or (x.shape[2:] != y.shape[2:] and x.ndim != 3):
        return None
    best: Copy | None = None
    for offset in sorted(range(-OFFSETS, OFFSETS + 1), key=abs):
        early, late = max(0, -offset), min(x.shape[1], x.shape[1] - offset)
        if late - early < 2:
            continue
        target, source = y[:, early:late], x[:, early + offset : late + offset]
        for piece in _channels(source, target):
            share = float(_agree(piece, target.astype(np.float64), _close(y)).mean())
            if best is None or share > best.share:
                best = Copy(
                    share=share, chance=_chance(piece, target), how="exact", entry=None, offset=offset, whole=False
                )
    return best


def _channels(source: Given, target: Given) -> list[Array]:
    """Return the parts of a source that have the target's shape: itself, or each channel of (N, L, D)."""
    if source.shape == target.shape:
        return [source.astype(np.float64)]
    parts = np.moveaxis(source, -1, 0)[:64]
    return [part.reshape(target.shape).astype(np.float64) for part in parts if part.size == target.size]


def _among(x: Given, y: Given) -> Copy:
    """Compare each output with each entry of the flattened row; all outputs must be found, the worst one counts."""
    x_ND, entries = flat(x)
    y_NK, _ = flat(y, width=_OUTPUTS)
    worst: Copy | None = None
    for k in range(y_NK.shape[1]):
        one = _entry(x_ND, y_NK[:, k], entries)
        if worst is None or one.share < worst.share:
            worst = one
    assert worst is not None
    return worst


def _entry(x_ND: Array, y_N: Array, entries: np.ndarray) -> Copy:
    close = CLOSE * float(y_N.std())
    probe = slice(0, _PROBE)
    agree = _agree(x_ND[probe], y_N[probe, None], close).mean(0)
    column = int(agree.argmax())
    share = float(_agree(x_ND[:, column], y_N, close).mean())
    how: How = "exact"
    if share < COPIED and len(np.unique(y_N)) > 2:
        line = _line(x_ND, y_N)
        if line is not None:
            column, share, how = line, 1.0, "affine"
    return Copy(
        share=share,
        chance=_chance(x_ND[:, column], y_N) if how == "exact" else 0.0,
        how=how,
        entry=int(entries[column]),
        offset=None,
        whole=x_ND.shape[1] == 1,
    )


def _line(x_ND: Array, y_N: Array) -> int | None:
    """Return the column of which targets are a multiple plus a constant, None if there is none."""
    centred = x_ND - x_ND.mean(0)
    target = y_N - y_N.mean()
    size = np.sqrt((centred**2).sum(0) * (target**2).sum())
    correlation = np.abs(target @ centred) / np.where(size > 0, size, np.inf)
    best = int(correlation.argmax())
    return best if correlation[best] > 1 - 1e-8 else None


def _close(y: Given) -> float:
    return CLOSE * float(np.std(y))


def _agree(a: Array, b: Array, close: float) -> np.ndarray:
    return np.asarray(np.abs(a - b) <= close)


def _chance(a: Given, b: Given) -> float:
    """Return how often entries agree when rows are put together at random: the product of equal frequencies, summed."""
    values = np.unique(np.concatenate([np.ravel(a), np.ravel(b)]))
    mine = np.bincount(np.searchsorted(values, np.ravel(a)), minlength=len(values)) / np.size(a)
    theirs = np.bincount(np.searchsorted(values, np.ravel(b)), minlength=len(values)) / np.size(b)
    return float(mine @ theirs)
