"""Inputs that were divided twice: pixels k / 255 / 255 hardly differ from one constant, and a network sees nothing.

Decided by the lattice, not by size alone: all values are origin + k · step with few levels k, as 8-bit (or any counted)
data have, and all of them lie in a narrow range. Thresholds:

DEVIATION 0.02, RANGE 0.1: once divided, counted data span a range of about 1 with a deviation of 0.1 to 0.5; divided by
16 or more once again, at most 0.06 and 0.03. Between the two nothing healthy lies but data that are small by nature:
sparse one-hots (range 1), frequencies (rows with one common sum) and measurements in small units (no lattice).
LEVELS 8..65536: fewer are flags or categories (and lie on a lattice by chance), more are no lattice that floats can
show.
"""

import dataclasses
from typing import final

import numpy as np

from thalweg.diagnosis.audit.rows import Array, Given, chosen, flat

DEVIATION, RANGE, LEVELS = 0.02, 0.1, (8, 65536)
_ROUNDING = 0.02  # of a step: how far float32 may put a value beside its place
_PARTS = 32  # steps that the smallest gap may hold
_DENSE = 0.01  # share of entries other than the commonest value; below, small means are the work of sparsity


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Shrinkage:
    """Hold how small inputs are, and the lattice on which their values lie, if on any."""

    deviation: float  # over all entries
    span: float  # largest value minus smallest
    low: float
    step: float | None  # None: values lie on no lattice
    levels: int  # span / step, 0 without a lattice
    active: float  # share of entries that differ from the commonest value
    common_sum: bool  # every row adds up to the same: frequencies, small by nature

    @property
    def tiny(self) -> bool:
        """Say whether all inputs nearly agree though they are dense; small measurements do so, too."""
        return 0 < self.deviation < DEVIATION and self.span < RANGE and self.active > _DENSE and not self.common_sum

    @property
    def shrunken(self) -> bool:
        """Say whether inputs are counted data on far too small a lattice."""
        return self.tiny and self.step is not None

    @property
    def divisor(self) -> int | None:
        """Return m where values are k / m² with k = 0..m: divided by m twice; None for other lattices."""
        if self.step is None or abs(self.low) > _ROUNDING * self.step:
            return None
        root = self.step**-0.5
        nearest = round(root)
        exact = nearest >= 8 and abs(root - nearest) < 1e-3 * root and self.levels <= nearest
        return nearest if exact else None


def measure_shrinkage(x: Given) -> Shrinkage:
    """Measure how small inputs (N, ...) are and whether their values are counted.

    >>> measure_shrinkage(np.arange(256).reshape(16, 16) / 255 / 255).divisor
    255
    """
    x_ND, _ = flat(np.asarray(x)[chosen(len(x), 1000)])
    values, counts = np.unique(x_ND, return_counts=True)
    sums = x_ND.sum(1)
    step = _lattice(values)
    span = float(values[-1] - values[0])
    return Shrinkage(
        deviation=float(x_ND.std()),
        span=span,
        low=float(values[0]),
        step=step,
        levels=0 if step is None else round(span / step),
        active=float(1 - counts.max() / x_ND.size),
        common_sum=bool(np.ptp(sums) < 1e-3 * np.abs(sums).max() and np.ptp(x_ND, axis=1).max() > 0),
    )


def _lattice(values: Array) -> float | None:
    """Return the step of the coarsest lattice on which growing values lie, None if on none.

    Not every place need be taken: the smallest gap may be several steps (16 grey levels stretched over 255). 9 values
    fit one of so many lattices by chance once in a billion times.
    """
    if len(values) < LEVELS[0] + 1:
        return None
    above = values - values[0]
    gaps = np.diff(above)
    gaps = gaps[gaps > 1e-5 * above[-1]]  # closer values are one value, rounded on two ways
    if not len(gaps):
        return None
    for parts in range(1, _PARTS + 1):
        step = _fitted(above, float(gaps.min()) / parts)
        if step is not None:
            return step
    return None


def _fitted(above: Array, step: float) -> float | None:
    """Return a step that is near to a given one and of which all values are multiples, None if there is none."""
    if above[-1] > LEVELS[1] * step:
        return None
    places = np.round(above / step)
    for _ in range(3):
        step = float((places @ above) / (places @ places))
        places = np.round(above / step)
    fits = np.abs(above / step - places).max() < _ROUNDING and places[-1] >= LEVELS[0]
    return step if fits else None
