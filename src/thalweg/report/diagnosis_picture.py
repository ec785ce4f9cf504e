"""The small picture of a finding in letters: a bar for each name, or a curve four rows high with its mark."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from thalweg.core import message
from thalweg.core.columns import width_of
from thalweg.findings import Picture
from thalweg.report.phrases import number, phrase

Line = tuple[str, str]  # text and its role: caption, bar, marked, curve, mark

_ROWS = 4  # of a curve
_WIDEST = 56  # columns of a curve or of the longest bar
_MOST_BARS = 10
_LONGEST_NAME = 24
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_BLOCKS = " ▁▂▃▄▅▆▇█"
_FEWEST_EIGHTHS = 1  # of the smallest value, so that it can be told from nothing


@dataclasses.dataclass(frozen=True)
class Scale:
    """Map values to [0, 1], along an axis that may be logarithmic; what is no finite number maps to NaN."""

    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        if not math.isfinite(value):
            return math.nan
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        if self.high <= self.low:
            return 0.5
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def curve_scale(picture: Picture) -> Scale:
    """Return the scale of a curve, which holds the healthy level, too."""
    log = is_log(picture)
    levels = [math.log10(v) if log else v for v in _levels(picture) if v > 0 or not log]
    return Scale(min(levels), max(levels), log) if levels else Scale(0.0, 1.0, False)


def bar_scale(picture: Picture) -> Scale:
    """Return the scale of bars, which start at 0; on a logarithmic axis, a little below the smallest."""
    log = is_log(picture)
    if not log:
        return Scale(0.0, max((abs(v) for v in _levels(picture)), default=1.0) or 1.0, False)
    levels = [math.log10(v) for v in _levels(picture) if v > 0]
    below = max(0.08 * (max(levels) - min(levels)), 0.3)
    return Scale(min(levels) - below, max(levels), True)


def is_log(picture: Picture) -> bool:
    """Say whether a logarithmic axis was asked for and has something to show."""
    return picture.log and any(v > 0 for v in picture.values if math.isfinite(v))


def _levels(picture: Picture) -> list[float]:
    return [v for v in (*picture.values, picture.healthy) if v is not None and math.isfinite(v)]


def shown_bars(picture: Picture, most: int) -> list[int]:
    """Choose which bars to draw: the first, the last, the marked one, and evenly between."""
    count = len(picture.values)
    if count <= most:
        return list(range(count))
    chosen = set(np.linspace(0, count - 1, most).round().astype(int).tolist())
    if picture.mark is not None and 0 <= picture.mark < count and picture.mark not in chosen:
        inner = [k for k in chosen if 0 < k < count - 1]
        mark = picture.mark
        chosen.discard(min(inner, key=lambda k: abs(k - mark)))
        chosen.add(mark)
    return sorted(chosen)


def has_names(picture: Picture) -> bool:
    return bool(picture.names) and len(picture.names) == len(picture.values)


def draw(picture: Picture, *, width: int, lang: str | None) -> list[Line]:
    """Draw a picture in at most `width` columns, a caption above it."""
    if not picture.values or width < 16:
        return []
    drawn = _bars(picture, width) if has_names(picture) else _curve(picture, width)
    return [(" · ".join(_caption(picture, lang)), "caption"), *drawn]


def _caption(picture: Picture, lang: str | None) -> list[str]:
    said = [phrase(picture.what, lang)]
    if is_log(picture):
        said.append(phrase(message("diagnosis.log_axis"), lang))
    if picture.healthy is not None and math.isfinite(picture.healthy):
        sign = "┊" if has_names(picture) else "┄"
        said.append(f"{sign} {phrase(message('diagnosis.level', value=number(picture.healthy, 3)), lang)}")
    if not all(map(math.isfinite, picture.values)):
        said.append("× " + phrase(message("diagnosis.not_finite"), lang))
    if has_names(picture) and len(picture.values) > _MOST_BARS:
        told = message("diagnosis.some_of", shown=_MOST_BARS, count=len(picture.values))
        said.append(phrase(told, lang))
    return said


def _bars(picture: Picture, width: int) -> list[Line]:
    kept = shown_bars(picture, _MOST_BARS)
    longest = max(min(_LONGEST_NAME, width // 3), 4)
    names = short_names([picture.names[k] for k in kept], longest)
    values = [number(picture.values[k], 3) for k in kept]
    left, middle = max(map(width_of, names)), max(map(width_of, values))
    room = min(width - left - middle - 6, _WIDEST)
    scale = bar_scale(picture)
    healthy = None if picture.healthy is None else scale.at(picture.healthy)
    lines = []
    for k, name, value in zip(kept, names, values, strict=True):
        head = f"{name}{' ' * (left - width_of(name))}  {' ' * (middle - width_of(value))}{value}  "
        marked = k == picture.mark
        bar = _bar(scale.at(abs(picture.values[k])), room, healthy)
        lines.append(((head + bar + (" ◂" if marked else "")).rstrip(), "marked" if marked else "bar"))
    return lines


def _bar(length: float, room: int, healthy: float | None) -> str:
    """Draw a bar of a length in [0, 1], with a stroke where a healthy one would end."""
    if math.isnan(length):
        bar = "×"
    else:
        eighths = max(round(8 * room * length), _FEWEST_EIGHTHS if length > 0 else 0)
        bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    if healthy is None or math.isnan(healthy):
        return bar
    at = min(round(room * healthy), room - 1)
    return bar.ljust(at) + "┊" if len(bar) <= at else bar[:at] + "┊" + bar[at + 1 :]


def short_names(names: Sequence[str], most: int) -> list[str]:
    """Shorten names of layers that are too long: first by what all of them share, then each in its middle.

    >>> short_names(["encoder.layers.0.linear.weight", "encoder.layers.11.linear.weight"], 14)
    ['…layers.0…', '…layers.11…']
    """
    if len(names) > 1 and any(width_of(name) > most for name in names):
        parts = [name.split(".") for name in names]
        first, last = _shared(parts), _shared([part[::-1] for part in parts])
        first, last = max(first - 1, 0), last if last > 1 else 0
        if all(len(part) > first + last for part in parts):
            middles = [".".join(part[first : len(part) - last]) for part in parts]
            names = ["…" * (first > 0) + middle + "…" * (last > 0) for middle in middles]
    return [shorten_name(name, most) for name in names]


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """Count the parts that all of them begin with."""
    return next((k for k, row in enumerate(zip(*parts, strict=False)) if len(set(row)) > 1), min(map(len, parts)))


def shorten_name(name: str, most: int) -> str:
    """Shorten a name in its middle, so that both where it begins and what it ends with can be read."""
    if width_of(name) <= most:
        return name
    head = tail = ""
    for k in range(len(name)):
        if width_of(head + tail) >= most - 2:
            break
        if k % 3 == 0:
            head += name[len(head)]
        else:
            tail = name[len(name) - len(tail) - 1] + tail
    return f"{head}…{tail}"


def _curve(picture: Picture, width: int) -> list[Line]:
    scale = curve_scale(picture)
    ends = [10**end if scale.log else end for end in (scale.high, scale.low)]
    labels = [number(end, 3) for end in ends]
    left = max(map(width_of, labels))
    heights, mark = _columns(picture, scale, min(width - left - 2, _WIDEST))
    eighths = [None if math.isnan(h) else max(round(8 * _ROWS * h), 1) for h in heights.tolist()]
    healthy = None if picture.healthy is None else scale.at(picture.healthy)
    healthy_row = None if healthy is None or math.isnan(healthy) else round((1 - healthy) * (_ROWS - 1))
    lines = []
    for row in range(_ROWS):
        cells = [_cell(filled, row) for filled in eighths]
        if row == healthy_row:
            cells = ["┄" if cell == " " else cell for cell in cells]
        label = labels[0] if row == 0 else labels[1] if row == _ROWS - 1 else ""
        lines.append((f"{' ' * (left - width_of(label))}{label} ┤{''.join(cells)}".rstrip(), "curve"))
    if mark is not None and picture.mark is not None:
        lines.append((_pointer(left + 2 + mark, number(picture.values[picture.mark], 3), width), "mark"))
    return lines


def _cell(filled: int | None, row: int) -> str:
    if filled is None:
        return "×" if row == _ROWS - 1 else " "
    return _BLOCKS[min(max(filled - 8 * (_ROWS - 1 - row), 0), 8)]


def _columns(picture: Picture, scale: Scale, room: int) -> tuple[NDArray[np.float64], int | None]:
    """Average heights into columns, or widen few values; the marked value stands for its whole column."""
    heights = np.array([scale.at(value) for value in picture.values], dtype=np.float64)
    count, mark = len(heights), picture.mark
    if mark is not None and not 0 <= mark < count:
        mark = None
    if count <= room:
        times = max(min(room // count, 4), 1)
        at = None if mark is None else mark * times + times // 2
        return np.repeat(heights, times), at
    parts = np.array_split(np.arange(count), room)
    means = np.array([_mean(heights[part]) for part in parts])
    if mark is None:
        return means, None
    column = next(k for k, part in enumerate(parts) if part[0] <= mark <= part[-1])
    means[column] = heights[mark]
    return means, column


def _mean(heights: NDArray[np.float64]) -> float:
    """Average a column; it is lost where most of it is."""
    known = heights[np.isfinite(heights)]
    return float(known.mean()) if 2 * len(known) > len(heights) else math.nan


def _pointer(column: int, value: str, width: int) -> str:
    if column + 2 + width_of(value) <= width:
        return f"{' ' * column}▲ {value}"
    return f"{' ' * max(column - 1 - width_of(value), 0)}{value} ▲"


def ends_of(values: Sequence[float]) -> dict[str, str]:
    """Return first, last, lowest and highest of the finite values, as people write them."""
    known = [value for value in values if math.isfinite(value)] or [math.nan]
    told = {"first": known[0], "last": known[-1], "low": min(known), "high": max(known)}
    return {name: number(value, 3) for name, value in told.items()}
