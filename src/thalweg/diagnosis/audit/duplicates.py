"""Rows that occur twice: validation rows that were trained on, against the number that chance explains.

Discrete data collide by nature (four flags make sixteen rows), so the found share is set against an expected one:
validation rows that have a twin in their own part tell how often a row is met again (Good 1953: a row seen once comes
again with probability 2 f₂ / (f₁ M), where f₁, f₂ rows of M occur once and twice; one is added to both), and so do
twins within training rows if these were captured once each. Thresholds: LEAKED 0.02 above twice the expected share (the
bundled and the well-known image sets hold up to 0.3 % and 3 % twins) and a p below 0.001 that chance finds as many.
"""

import dataclasses
import math
from collections import Counter
from typing import final

import numpy as np

from thalweg.diagnosis.audit.rows import Given, chosen

LEAKED = 0.02
_CAP = 20_000


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Duplicates:
    """Hold how many validation rows are training rows, bit for bit, and how many chance would make so."""

    num_train: int
    num_validation: int
    found: float  # share of validation rows that occur in training
    expected: float
    p: float  # that chance alone finds as many
    within_train: float  # share of training rows that have a twin there
    within_validation: float

    @property
    def leaked(self) -> bool:
        return self.found > 2 * self.expected + LEAKED and self.p < 1e-3


def count_duplicates(x_train: Given, x_validation: Given, *, once: bool = False) -> Duplicates:
    """Count rows (N, ...) that occur again among rows (M, ...), by their bytes.

    `once` says that each example was captured once, so that twins within training are twins in the data.

    >>> count_duplicates(np.eye(50), np.eye(50)[:20]).found
    1.0
    """
    train = _keys(x_train)
    validation = _keys(np.asarray(x_validation).astype(np.asarray(x_train).dtype))
    in_train, in_validation = Counter(train), Counter(validation)
    twins = sum(count for count in in_train.values() if count > 1) / max(1, len(train))
    own = sum(count for count in in_validation.values() if count > 1) / max(1, len(validation))
    found = sum(key in in_train for key in validation)
    single = sum(count == 1 for count in in_validation.values())
    double = sum(count == 2 for count in in_validation.values())
    again = 2 * (double + 1) / ((single + 1) * max(1, len(validation)))
    met = float(-np.expm1(-again * len(in_train)))  # of a row that is single in validation
    expected = min(1.0, max(own + (1 - own) * met, twins if once else 0.0))
    return Duplicates(
        num_train=len(train),
        num_validation=len(validation),
        found=found / max(1, len(validation)),
        expected=expected,
        p=_at_least(found, len(validation), expected),
        within_train=twins,
        within_validation=own,
    )


def _at_least(hits: int, count: int, share: float) -> float:
    """Return the chance of so many hits or more among `count` draws with a given share."""
    if hits == 0 or share >= 1:
        return 1.0
    chance = [
        math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        + k * math.log(share) + (count - k) * math.log1p(-share)
        for k in range(hits, count + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(math.exp(one) for one in chance))


def _keys(x: Given) -> list[bytes]:
    rows = np.asarray(x)[chosen(len(x), _CAP)]
    if rows.dtype.kind == "f":
        rows = rows + rows.dtype.type(0)  # -0.0 and 0.0 are one number
    return [row.tobytes() for row in np.ascontiguousarray(rows)]
