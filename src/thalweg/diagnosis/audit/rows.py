"""Rows of captured data as matrices: thinned with a fixed seed, flat, in float64, without holes.

Axis letters: N rows, M rows of the other side, D features, K classes or outputs, B bins. CAP is where a share of 1 % is
known to within 0.2 points (its standard error); WIDTH keeps a matrix under 32 MB.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from thalweg.core.random import numpy_generator

Array: TypeAlias = NDArray[np.float64]
Index: TypeAlias = NDArray[np.int64]
Given: TypeAlias = NDArray[Any]
"""An array as it was captured: any shape with rows first, any numeric dtype."""
CAP, WIDTH = 4000, 1024
_ENTRIES, _FEWEST = 8_000_000, 64  # numbers in a matrix, unless 64 rows hold more


def chosen(count: int, cap: int = CAP, *, stream: str = "audit") -> Index:
    """Return at most `cap` of the numbers below `count`, growing; a fixed draw where some must go."""
    if count <= cap:
        return np.arange(count)
    return np.sort(numpy_generator(0, stream).choice(count, cap, replace=False))


def flat(x: Given, *, width: int = WIDTH) -> tuple[Array, Index]:
    """Return rows as a matrix (N, D) and the numbers of its columns among those of the flattened rows.

    What is not finite gets the mean of its column's finite entries.
    """
    rows = np.asarray(x).reshape(len(x), -1)
    columns = chosen(rows.shape[1], width, stream="columns")
    matrix = rows[:, columns].astype(np.float64)
    finite = np.isfinite(matrix)
    if not finite.all():
        sums = np.where(finite, matrix, 0.0).sum(0)
        matrix = np.where(finite, matrix, sums / np.maximum(1, finite.sum(0)))
    return matrix, columns


def by_feature(x: Given, axis: int | None = None, *, cap: int = 5 * CAP) -> Array:
    """Return every value of each feature, shape (values, features), where one axis holds the features.

    Unless told, that is the axis after the rows, of sequences (N, L, D) the last; a vector (N,) is one feature.
    """
    x = np.asarray(x)
    if x.ndim == 1:
        return flat(x)[0][chosen(len(x), cap)]
    moved = np.moveaxis(x, (2 if x.ndim == 3 else 1) if axis is None else axis, -1)
    size, width = int(np.prod(moved.shape[1:-1])), moved.shape[-1]
    rows = chosen(len(x), max(_FEWEST, min(CAP, _ENTRIES // max(1, size * width))))
    values = moved[rows].reshape(-1, width)
    return flat(values[chosen(len(values), cap, stream="values")], width=width)[0]


def standardised(x_ND: Array) -> Array:
    """Return columns with mean 0 and deviation 1; constant columns become zero."""
    centred = x_ND - x_ND.mean(0)
    deviation = x_ND.std(0)
    useful = deviation > 1e-9 * (np.abs(x_ND).max(0, initial=0.0) + 1e-300)
    return np.where(useful, centred / np.where(useful, deviation, 1.0), 0.0)
