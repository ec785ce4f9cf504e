"""Line charts as inline SVG, with a cursor, a summary in words and a table that says the same.

Lines are drawn in a box of 4000 by 2000 that is stretched to the space there is; all else is placed in
percent, so that text keeps its size from a phone to a wall.
"""

import dataclasses

import numpy as np

from thalweg.core import Message, message
from thalweg.report.curves import Curves, Series
from thalweg.report.page.axis import Axis, Write, spanning, tick_label
from thalweg.report.page.markup import Words, sentences, table, tag, twin, words
from thalweg.report.phrases import number

WIDE, TALL = 4000, 2000
_ROWS = 120  # of a line in its table, which the cursor reads
_DOTS = 48  # points up to which a line shows each
_X_TICKS, _Y_TICKS = 6, 5
_LOG_FROM = 3.0  # times the smallest value: from there on a logarithmic axis is offered
_WILD = {
    True: 1e3,
    False: 50.0,
}  # times what four fifths stay below: what is beyond leaves the frame (logarithmic, linear)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Line:
    """Name a series; `style` is a class of the stylesheet: raw, smooth, train, validation."""

    name: Message
    series: Series
    style: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chart:
    """Hold what a chart shows: lines over the run, marks at steps, and its summary."""

    key: str
    title: Words
    lines: tuple[Line, ...]
    summary: tuple[Message, ...]
    marks: tuple[tuple[float, Message], ...] = ()
    log: bool = False
    """Whether a logarithmic axis makes sense; it then comes first."""
    write: Write = number
    tick: Write = tick_label
    size: str = ""


def line_chart(chart: Chart, curves: Curves) -> str:
    """Draw a chart."""
    lines = [line for line in chart.lines if len(line.series.finite)]
    if not lines:
        return ""
    unit = curves.steps_per_epoch if np.isfinite(curves.steps_per_epoch) else 1.0
    across = Axis(0.0, _end(curves) / unit)
    kinds = [True, False] if chart.log and _wide_enough(lines) else [False]
    plots = [_plot(chart, lines, across, log=log, unit=unit, shown=k == 0) for k, log in enumerate(kinds)]
    head = tag("h3", {"id": f"{chart.key}-name"}, words(chart.title)) + (_switch() if len(kinds) > 1 else "")
    caption = tag("figcaption", {}, tag("div", {"class": "head"}, head), _legend(lines))
    summary = tag("p", {"class": "summary", "id": f"{chart.key}-said"}, sentences(chart.summary))
    told = {"aria-labelledby": f"{chart.key}-name", "aria-describedby": f"{chart.key}-said"}
    attributes = {"class": f"chart {chart.size}".strip(), "id": chart.key, "tabindex": 0, **told}
    attributes["data-keys"] = 2 if np.isfinite(curves.steps_per_epoch) else 1
    return tag(
        "figure",
        attributes,
        caption,
        *plots,
        summary,
        twin(message("report.as_table"), _table(chart, lines, curves)),
    )


def _wide_enough(lines: list[Line]) -> bool:
    values = np.concatenate([line.series.finite for line in lines])
    known = values[values > 0]
    return len(known) > len(values) / 2 and bool(known.max() > _LOG_FROM * known.min())


def _end(curves: Curves) -> float:
    """Return the step at which the last line of a run ends: all charts share one axis of time."""
    ends = [series.steps[-1] for series in (curves.loss, *curves.evaluated.values()) if len(series)]
    return max([1.0, *map(float, ends)])


def _switch() -> str:
    buttons = [
        tag(
            "button",
            {"type": "button", "data-scale": key, "aria-pressed": pressed},
            words(message(f"report.{word}")),
        )
        for key, word, pressed in (("log", "logarithmic", "true"), ("linear", "linear", "false"))
    ]
    return tag("div", {"class": "switch", "role": "group"}, *buttons)


def _legend(lines: list[Line]) -> str:
    if len(lines) < 2:
        return ""
    key = '<svg class="key" width="28" height="10" aria-hidden="true"><path class="{}" d="M1 5H27"/></svg>'
    return tag(
        "ul",
        {"class": "legend"},
        *(tag("li", {}, key.format(line.style), words(line.name)) for line in lines),
    )


def _plot(chart: Chart, lines: list[Line], across: Axis, *, log: bool, unit: float, shown: bool) -> str:
    up = _upright(lines, log=log)
    drawn = "".join(_line(line, across, up, unit) for line in lines)
    box = {"viewBox": f"0 0 {WIDE} {TALL}", "preserveAspectRatio": "none", "width": "100%", "height": "100%"}
    content = [frame(across, up, tick=chart.tick), tag("svg", {**box, "class": "lines"}, drawn)]
    content += [_mark(across.at(step / unit), name) for step, name in chart.marks]
    svg = tag("svg", {"class": "drawing", "width": "100%", "height": "100%", "aria-hidden": "true"}, *content)
    ends = {"left": across.low, "right": across.high, "low": up.low, "high": up.high}
    facts = {f"data-{name}": f"{value:.6g}" for name, value in ends.items()}
    attributes = {
        "class": "plot",
        "data-scale": "log" if log else "linear",
        **facts,
        "hidden": None if shown else "",
    }
    return tag(
        "div",
        attributes,
        svg,
        tag("span", {"class": "unit"}, words(message("report.epoch" if unit > 1 else "report.step"))),
    )


def _upright(lines: list[Line], *, log: bool) -> Axis:
    """Return the vertical axis; a few wild values leave the frame, so that they do not flatten the rest."""
    kept = []
    for line in lines:
        values = line.series.finite
        if log:
            values = values[values > 0]
        if len(values) and values.min() >= 0:
            low, high = np.quantile(values, (0.2, 0.8)) * (1 / _WILD[log], _WILD[log])
            values = values[(values <= high) & ((values >= low) | (not log))]
        kept.append(values[values <= np.quantile(values, 0.99)] if line.style == "raw" and not log else values)
    return spanning(kept, log=log)


def frame(across: Axis, up: Axis, *, tick: Write = tick_label) -> str:
    """Draw grid lines and the labels of both axes."""
    parts = []
    for value in up.ticks(_Y_TICKS):
        y = f"{100 * (1 - up.at(value)):.2f}%"
        parts.append(tag("line", {"class": "grid", "x1": 0, "x2": "100%", "y1": y, "y2": y}))
        parts.append(tag("text", {"class": "tick left", "x": "-0.6em", "y": y, "dy": "0.32em"}, tick(value)))
    for value in across.ticks(_X_TICKS):
        x = f"{100 * across.at(value):.2f}%"
        parts.append(tag("line", {"class": "stub", "x1": x, "x2": x, "y1": "100%", "y2": "100%"}))
        parts.append(tag("text", {"class": "tick below", "x": x, "y": "100%", "dy": "1.5em"}, tick_label(value)))
    parts.append(tag("line", {"class": "base", "x1": 0, "x2": "100%", "y1": "100%", "y2": "100%"}))
    return "".join(parts)


def _line(line: Line, across: Axis, up: Axis, unit: float) -> str:
    x = np.rint(WIDE * across.place(line.series.steps / unit))
    y = np.rint(TALL * (1 - up.place(line.series.values)))
    points = [(int(a), int(b)) if np.isfinite(b) else None for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    path, joined = [], False
    for point in points:
        if point is not None:
            path.append(f"{'L' if joined else 'M'}{point[0]} {point[1]}")
        joined = point is not None
    drawn = tag("path", {"class": line.style, "d": "".join(path), "vector-effect": "non-scaling-stroke"})
    if len(points) <= _DOTS and line.style in ("train", "validation"):
        dots = "".join(f"M{point[0]} {point[1]}h0" for point in points if point is not None)
        drawn += tag("path", {"class": f"dots {line.style}", "d": dots, "vector-effect": "non-scaling-stroke"})
    return drawn


def _mark(place: float, name: Message) -> str:
    if not 0 <= place <= 1:
        return ""
    x, side = f"{100 * place:.2f}%", "mark end" if place > 0.5 else "mark"
    rule = tag("line", {"class": "mark", "x1": x, "x2": x, "y1": 0, "y2": "100%"})
    return rule + tag(
        "text",
        {"class": side, "x": x, "y": 0, "dy": "1em", "dx": "-0.5em" if place > 0.5 else "0.5em"},
        words(name, "tspan"),
    )


def _table(chart: Chart, lines: list[Line], curves: Curves) -> str:
    """Write the lines at up to 120 steps each; the cursor on the chart reads these cells."""
    at: dict[float, dict[int, str]] = {}
    for k, line in enumerate(lines):
        known = np.flatnonzero(np.isfinite(line.series.values))
        for index in known[np.linspace(0, len(known) - 1, min(_ROWS, len(known))).round().astype(int)].tolist():
            at.setdefault(float(line.series.steps[index]), {})[k] = chart.write(float(line.series.values[index]))
    head = [message("report.epoch"), message("report.step"), *(line.name for line in lines)]
    rows = [
        [f"{curves.epoch(step):.5g}", number(step), *(at[step].get(k, "") for k in range(len(lines)))]
        for step in sorted(at)
    ]
    if not np.isfinite(curves.steps_per_epoch):
        head, rows = head[1:], [row[1:] for row in rows]
    return table(head, rows, name="numbers")
