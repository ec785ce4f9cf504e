"""A curve in one line of text."""

import math
from collections.abc import Iterable

import numpy as np

_BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Iterable[float], width: int) -> str:
    """Draw values as blocks of eight heights in at most `width` columns; what is no finite number is a blank.

    >>> sparkline([3, 2, 1, float("nan")], 4)
    '█▅▁ '
    """
    numbers = np.array([value if math.isfinite(value) else math.nan for value in values], dtype=np.float64)
    if not len(numbers) or width < 1:
        return ""
    parts = np.array_split(numbers, min(width, len(numbers)))
    means = [float(np.mean(part[np.isfinite(part)])) if np.isfinite(part).any() else math.nan for part in parts]
    known = [mean for mean in means if math.isfinite(mean)]
    if not known:
        return " " * len(means)
    low, high = min(known), max(known)
    return "".join(_block(mean, low, high) for mean in means)


def _block(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return " "
    height = (value - low) / (high - low) if high > low else 0.5
    return _BLOCKS[min(int(height * len(_BLOCKS)), len(_BLOCKS) - 1)]
