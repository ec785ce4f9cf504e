"""Columns of a table that cannot help or do harm: constant, double, holed, with codes for missing, numbered.

Sentinels (-9999, 999, 0 for a reading of 37) are decided by shape, which scaling does not change: a column falls into a
core and at most 3 exact values that are each repeated and lie farther from the core than 5 times its whole range, so
that the core keeps little of the column's deviation. Thresholds:

GAP 5 core ranges: readings, also heavy-tailed ones, fill the space between; a code is chosen to lie outside.
SQUEEZED 0.2: standardising leaves the core a fifth of the deviation that it should have, or less.
CORE 10 distinct values: flags, one-hots and small counts have fewer and are no readings with a code among them.
REPEATED 3 times: a single far value is an outlier, three equal ones are a code.
NUMBERS 50 rows, all different integers, that fill at least half of their range: no measurement does so by chance.
"""

import dataclasses
import itertools
from typing import final

import numpy as np

from thalweg.diagnosis.audit.rows import Array, Given, standardised

GAP, SQUEEZED, CORE, REPEATED, NUMBERS = 5.0, 0.2, 10, 3, 50
_CODES = 3


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sentinel:
    """Hold the values of a column that stand apart from its readings, and what they leave of these."""

    column: int
    values: tuple[float, ...]
    share: float  # of rows
    gap: float  # distance from the readings, in ranges of these
    left: float  # deviation of the readings over that of the column


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BadColumns:
    """Hold the columns of a table that do not help or do harm, by what is wrong with them."""

    num_columns: int
    constant: tuple[int, ...]
    duplicate: tuple[tuple[int, int], ...]  # (first, its copy): equal but for offset and positive scale
    holed: tuple[tuple[int, float], ...]  # (column, share of entries that are not finite)
    sentinels: tuple[Sentinel, ...]
    numbered: tuple[int, ...]  # row numbers, keys


def find_bad_columns(x: Given) -> BadColumns:
    """Find columns of a table (N, D) that are constant, double, holed, coded or numbered.

    >>> find_bad_columns(np.array([[1.0, 5.0], [2.0, 5.0], [np.nan, 5.0]])).constant
    (1,)
    """
    table = np.asarray(x, dtype=np.float64).reshape(len(x), -1)
    finite = np.isfinite(table)
    whole = np.where(finite, table, np.where(finite, table, 0.0).sum(0) / np.maximum(1, finite.sum(0)))
    low, high = whole.min(0), whole.max(0)
    constant = high - low <= 1e-9 * np.maximum(np.abs(low), np.abs(high))
    varying = [int(column) for column in np.flatnonzero(~constant)]
    found = [sentinel(table[finite[:, column], column], column) for column in varying]
    return BadColumns(
        num_columns=table.shape[1],
        constant=tuple(int(column) for column in np.flatnonzero(constant)),
        duplicate=_duplicates(whole, varying),
        holed=tuple((int(c), float(1 - finite[:, c].mean())) for c in np.flatnonzero(~finite.all(0))),
        sentinels=tuple(one for one in found if one is not None),
        numbered=tuple(column for column in varying if table.shape[1] > 1 and _numbered(whole[:, column])),
    )


def sentinel(v: Array, column: int = 0) -> Sentinel | None:
    """Find values of one column (N,) that are codes among readings; None where there are none."""
    values, counts = np.unique(v, return_counts=True)
    if len(values) < CORE + 1 or counts.max() < REPEATED:
        return None
    gaps = np.diff(values)
    widest = np.argsort(gaps, kind="stable")[::-1]
    for cuts in range(1, _CODES + 1):
        edges = np.concatenate([[0], np.sort(widest[:cuts]) + 1, [len(values)]])
        first = int(np.argmax(np.diff(edges)))  # the core is the piece with the most distinct values
        core = np.arange(edges[first], edges[first + 1])
        apart = np.setdiff1d(np.arange(len(values)), core)
        if len(core) < CORE or len(apart) > _CODES or counts[apart].min() < REPEATED:
            continue
        span = float(values[core[-1]] - values[core[0]])
        distance = float(np.maximum(values[core[0]] - values[apart], values[apart] - values[core[-1]]).min())
        left = float(v[(v >= values[core[0]]) & (v <= values[core[-1]])].std() / v.std())
        if distance > GAP * span and left < SQUEEZED:
            return Sentinel(
                column=column,
                values=tuple(float(value) for value in values[apart]),
                share=float(counts[apart].sum() / len(v)),
                gap=distance / span,
                left=left,
            )
    return None


def _duplicates(x_ND: Array, columns: list[int]) -> tuple[tuple[int, int], ...]:
    """Return pairs of columns that agree after standardising, found by one projection and then compared.

    Columns with fewer than 5 different values agree by their nature (flags for one thing) and are left out.
    """
    if len(columns) < 2:
        return ()
    z_ND = standardised(x_ND[:, columns])
    mark = np.cos(np.arange(len(z_ND)) ** 1.5) @ z_ND
    by_mark = np.argsort(mark, kind="stable")
    pairs = []
    for a, b in itertools.pairwise(by_mark):
        same = abs(mark[a] - mark[b]) < 1e-3 * len(z_ND) and np.abs(z_ND[:, a] - z_ND[:, b]).max() < 1e-5
        if same and len(np.unique(x_ND[:, columns[a]])) >= 5:
            pairs.append((columns[min(a, b)], columns[max(a, b)]))
    return tuple(sorted(pairs))


def _numbered(v: Array) -> bool:
    if len(v) < NUMBERS or not bool((v == np.round(v)).all()):
        return False
    return len(np.unique(v)) == len(v) and float(np.ptp(v)) + 1 <= 2 * len(v)
