"""What a finding may carry beside its sentences: a picture of its evidence, a change, what came of trying it."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.core import Message


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """Hold a small picture of the evidence: bars where each value has a name, a curve otherwise.

    `mark` is the place in `values` that matters, `healthy` a level to compare with, `log` asks for a logarithmic axis.
    """

    what: Message
    values: tuple[float, ...]
    names: tuple[str, ...] = ()
    mark: int | None = None
    healthy: float | None = None
    log: bool = False

    def to_plain(self, lang: str | None = None) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "what": self.what.text(lang)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """Hold a change to make: a line of code (or the path of a setting) before and after."""

    before: str
    after: str
    path: str | None = None  # of a recipe's setting, where a recipe made the run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tried:
    """Hold what a remedy did when it was tried: a measure before and after, and how sure the gain is."""

    measure: str
    before: float
    after: float
    seeds: int = 1
    interval: tuple[float, float] | None = None


def extremes(values: NDArray[np.float64], points: int) -> NDArray[np.int64]:
    """Return the places of the ends, and of the lowest, the highest and the first non-finite value of `points // 2`
    stretches: a curve through them has every spike. Values (N,), places in order; all where N <= points.
    """
    if len(values) <= points:
        return np.arange(len(values))
    kept = {0, len(values) - 1}
    for stretch in np.array_split(np.arange(len(values)), points // 2):
        part = values[stretch]
        known = stretch[np.isfinite(part)]
        if len(known) < len(stretch):
            kept.add(int(stretch[~np.isfinite(part)][0]))
        if len(known):
            kept |= {int(known[values[known].argmin()]), int(known[values[known].argmax()])}
    return np.array(sorted(kept))
