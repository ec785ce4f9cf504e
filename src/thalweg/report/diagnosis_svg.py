"""The pictures of a diagnosis as SVG: bars with names, a curve with its mark, the loss with the findings on it.

Each has its caption, a sentence that says what it shows, and a table with its numbers.
"""

import math
from collections.abc import Sequence

import numpy as np

from thalweg.core import Message, message
from thalweg.diagnosis import Diagnosis
from thalweg.findings import Finding, Picture
from thalweg.report.curves import Curves, Series, smooth, thin
from thalweg.report.diagnosis_facts import title
from thalweg.report.diagnosis_picture import bar_scale, ends_of, has_names, is_log, short_names, shown_bars
from thalweg.report.page.axis import Axis, spanning
from thalweg.report.page.markup import Words, escape, sentences, table, tag, twin, words
from thalweg.report.page.plot import TALL, WIDE, Chart, Line, frame, line_chart
from thalweg.report.phrases import number

_MOST_BARS = 24
_LONGEST_NAME = 19
_ROOM = 78.0  # percent of the width for the longest bar; its number stands behind it
_ROW = 1.5  # em
_ROWS = 120  # of a table that says what a curve shows
_TOGETHER = 0.04  # of the axis: marks nearer than that share a label


def picture(shown: Picture, key: str) -> str:
    """Draw the picture of a finding."""
    if not any(map(math.isfinite, shown.values)):
        return ""
    named = has_names(shown)
    head = [words(shown.what)] + ([" · ", words(message("diagnosis.log_axis"))] if is_log(shown) else [])
    caption = tag("figcaption", {}, tag("h4", {"id": f"{key}-name"}, *head))
    summary = tag("p", {"class": "summary", "id": f"{key}-said"}, sentences(_said(shown)))
    told = {"aria-labelledby": f"{key}-name", "aria-describedby": f"{key}-said"}
    kind = {"class": "chart bars"} if named else {"class": "chart small", "tabindex": 0, "data-keys": 1}
    numbers = twin(message("report.as_table"), _table(shown))
    drawn = _bars(shown) if named else _curve(shown)
    return tag("figure", {**kind, "id": key, **told}, caption, drawn, summary, numbers)


def _said(shown: Picture) -> list[Message]:
    ends = ends_of(shown.values)
    if has_names(shown):
        said = [message("diagnosis.picture_short", low=ends["low"], high=ends["high"])]
    else:
        said = [message("diagnosis.picture_said", **ends)]
    if shown.mark is not None and 0 <= shown.mark < len(shown.values):
        value = number(shown.values[shown.mark], 3)
        if has_names(shown):
            said.append(message("diagnosis.marked_name", name=shown.names[shown.mark], value=value))
        else:
            said.append(message("diagnosis.marked", value=value))
    if has_names(shown) and len(shown.values) > _MOST_BARS:
        said.append(message("diagnosis.some_of", shown=_MOST_BARS, count=len(shown.values)))
    return said


def _table(shown: Picture) -> str:
    count = len(shown.values)
    kept = np.linspace(0, count - 1, min(_ROWS, count)).round().astype(int).tolist()
    named = has_names(shown)
    head: list[Words] = [message("diagnosis.name" if named else "diagnosis.place"), message("diagnosis.value")]
    rows = [[shown.names[k] if named else str(k), number(shown.values[k])] for k in kept]
    return table(head, rows, name="numbers")


def _bars(shown: Picture) -> str:
    kept = shown_bars(shown, _MOST_BARS)
    names = short_names([shown.names[k] for k in kept], _LONGEST_NAME)
    scale = bar_scale(shown)
    rects, texts = [], []
    for row, (k, name) in enumerate(zip(kept, names, strict=True)):
        y = f"{100 * (row + 0.5) / len(kept):.2f}%"
        rect, text = _bar(shown, k, y, name=name, length=scale.at(abs(shown.values[k])))
        rects.append(rect)
        texts.append(text)
    base = tag("line", {"class": "base", "x1": 0, "x2": 0, "y1": 0, "y2": "100%"})
    level = ""
    if shown.healthy is not None and math.isfinite(shown.healthy):
        x = f"{_ROOM * scale.at(shown.healthy):.2f}%"
        end = "end " if scale.at(shown.healthy) > 0.5 else ""
        told = words(message("diagnosis.level", value=number(shown.healthy, 3)), "tspan")
        level = tag("line", {"class": "level", "x1": x, "x2": x, "y1": 0, "y2": "100%"})
        level += tag("text", {"class": f"{end}level", "x": x, "y": "100%", "dy": "1.1em"}, told)
    size = {"width": "100%", "height": f"{len(kept) * _ROW:.2f}em", "class": "drawing", "aria-hidden": "true"}
    return tag("div", {"class": "plot led" if level else "plot"}, tag("svg", size, *rects, base, level, *texts))


def _bar(shown: Picture, k: int, y: str, *, name: str, length: float) -> tuple[str, str]:
    """Draw a bar, and what is written before and behind it: that goes on top of the healthy level."""
    width = 0.0 if math.isnan(length) else max(_ROOM * length, 0.4 if length > 0 else 0.0)
    kind = {"class": "marked" if k == shown.mark else None}
    box = {"x": 0, "y": y, "width": f"{width:.2f}%", "height": "0.9em"}  # the stylesheet centres it on its row
    told = tag("title", {}, escape(f"{shown.names[k]}: {number(shown.values[k])}"))
    before = tag("text", {"class": "row", "x": "-0.6em", "y": y, "dy": "0.32em"}, escape(name))
    at = {"x": f"{width:.2f}%", "dx": "0.5em", "y": y, "dy": "0.32em"}
    behind = tag("text", at, escape(number(shown.values[k], 3)))
    return tag("g", kind, told, tag("rect", box)), tag("g", kind, before, behind)


def _curve(shown: Picture) -> str:
    values = np.array(shown.values, dtype=np.float64)
    level = np.array([shown.healthy if shown.healthy is not None else math.nan], dtype=np.float64)
    log = is_log(shown)
    across, up = Axis(0.0, float(max(len(values) - 1, 1))), spanning([values, level], log=log)
    series = thin(np.arange(len(values), dtype=np.float64), values)
    parts = [
        frame(across, up),
        _path(series, across, up),
        _lost(values, across),
        _level(shown, up),
        _dot(shown, across, up),
    ]
    size = {"class": "drawing", "width": "100%", "height": "100%", "aria-hidden": "true"}
    ends = {"left": across.low, "right": across.high, "low": up.low, "high": up.high}
    facts = {f"data-{name}": f"{value:.6g}" for name, value in ends.items()}
    return tag("div", {"class": "plot", "data-scale": "log" if log else "linear", **facts}, tag("svg", size, *parts))


def _path(series: Series, across: Axis, up: Axis) -> str:
    x = np.rint(WIDE * across.place(series.steps)).tolist()
    y = np.rint(TALL * (1 - up.place(series.values))).tolist()
    path, joined = [], False
    for a, b in zip(x, y, strict=True):
        known = math.isfinite(b)
        if known:
            path.append(f"{'L' if joined else 'M'}{int(a)} {int(b)}")
        joined = known
    line = tag("path", {"class": "smooth", "d": "".join(path), "vector-effect": "non-scaling-stroke"})
    box = {"viewBox": f"0 0 {WIDE} {TALL}", "preserveAspectRatio": "none", "width": "100%", "height": "100%"}
    return tag("svg", {**box, "class": "lines"}, line)


def _lost(values: np.ndarray, across: Axis) -> str:
    """Draw a red line along the axis where values are no finite numbers."""
    places = np.flatnonzero(~np.isfinite(values))
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []
    return "".join(
        tag("line", {
            "class": "lost", "x1": f"{100 * across.at(float(run[0])):.2f}%", "y1": "100%",
            "x2": f"{100 * min(across.at(float(run[-1]) + 1), 1.0):.2f}%", "y2": "100%",
        })
        for run in runs
    )  # fmt: skip


def _level(shown: Picture, up: Axis) -> str:
    if shown.healthy is None or not math.isfinite(up.at(shown.healthy)):
        return ""
    y = f"{100 * (1 - up.at(shown.healthy)):.2f}%"
    line = tag("line", {"class": "level", "x1": 0, "x2": "100%", "y1": y, "y2": y})
    below = up.at(shown.healthy) > 0.5
    told = words(message("diagnosis.level", value=number(shown.healthy, 3)), "tspan")
    return line + tag("text", {"class": "end level", "x": "100%", "y": y, "dy": "1.2em" if below else "-0.5em"}, told)


def _dot(shown: Picture, across: Axis, up: Axis) -> str:
    if shown.mark is None or not 0 <= shown.mark < len(shown.values):
        return ""
    height = up.at(shown.values[shown.mark])
    if not math.isfinite(height):
        return ""
    at = {"cx": f"{100 * across.at(shown.mark):.2f}%", "cy": f"{100 * (1 - height):.2f}%"}
    return tag("circle", {"class": "mark", "r": "0.3em", **at})


def loss_chart(diagnosis: Diagnosis, numbered: Sequence[Finding]) -> str:
    """Draw the loss of every step; findings that name a step are marked there by their number."""
    losses = np.array(diagnosis.losses, dtype=np.float64)
    if np.isfinite(losses).sum() < 2:
        return ""
    steps = np.arange(len(losses), dtype=np.float64)
    nothing = Series(steps=np.empty(0), values=np.empty(0))
    lost = np.flatnonzero(~np.isfinite(losses))
    curves = Curves(
        loss=thin(steps, losses), smoothed=thin(steps, smooth(losses)), lr=nothing, grad_norm=nothing, evaluated={},
        num_steps=len(losses), steps_per_epoch=math.nan, lost_at=int(lost[0]) if len(lost) else None, best_at=None,
    )  # fmt: skip
    lines = (
        Line(name=message("diagnosis.loss_each"), series=curves.loss, style="raw"),
        Line(name=message("diagnosis.loss_smoothed"), series=curves.smoothed, style="smooth"),
    )
    at = [
        (f.where.step, k) for k, f in enumerate(numbered, 1) if f.where.step is not None and f.where.step < len(losses)
    ]
    chart = Chart(
        key="loss", title=message("diagnosis.loss_title"), lines=lines, marks=_marks(at, len(losses)), log=True,
        summary=(*_loss_said(curves), *(_mark_said(numbered[k - 1], k, step) for step, k in at)), size="tall",
    )  # fmt: skip
    return line_chart(chart, curves)


def _marks(at: Sequence[tuple[int, int]], count: int) -> tuple[tuple[float, Message], ...]:
    groups: list[tuple[int, list[int]]] = []
    for step, k in sorted(at):
        if groups and step - groups[-1][0] < _TOGETHER * count:
            groups[-1][1].append(k)
        else:
            groups.append((step, [k]))
    return tuple((step, message("report.as_is", text=", ".join(map(str, ks)))) for step, ks in groups)


def _mark_said(finding: Finding, k: int, step: int) -> Message:
    return message("diagnosis.mark_said", number=k, title=title(finding.code), step=number(step))


def _loss_said(curves: Curves) -> list[Message]:
    known = curves.smoothed.finite
    first, last = number(float(known[0]), 3), number(curves.smoothed.last, 3)
    said = [message("diagnosis.loss_said", first=first, last=last, steps=number(curves.num_steps))]
    if curves.lost_at is not None:
        said.append(message("diagnosis.loss_lost", step=number(curves.lost_at)))
    return said
