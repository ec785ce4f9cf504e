"""Signals of layers over time: a row for each layer, colour for how much."""

import json

import numpy as np
from numpy.typing import NDArray

from thalweg.core import Message, message
from thalweg.report.curves import Curves
from thalweg.report.layers import SHARES, Heat
from thalweg.report.page.axis import Axis, spanning, tick_label
from thalweg.report.page.markup import escape, sentences, table, tag, twin, words
from thalweg.report.page.shades import BLUE, ORANGE, one_way, png, two_way
from thalweg.report.phrases import number

_COLUMNS = 240  # of pixels, which samples are stretched to by the time they were taken at
_USUAL_CHANGE = 1e-3
_DECADES = 2.0  # off the usual change at which the colour is full
_MOST_NAME = 22
_BAR = 64


def heat_chart(heat: Heat, curves: Curves) -> str:
    """Draw a heat map, what it means, and a table of its rows."""
    key = f"heat-{heat.signal}"
    unit = curves.steps_per_epoch if np.isfinite(curves.steps_per_epoch) else 1.0
    title = message(f"report.signal_{heat.signal}")
    caption = tag("figcaption", {}, tag("h3", {"id": f"{key}-name"}, words(title)), _bar(heat))
    said = [message(f"report.about_{heat.signal}"), message("report.samples", count=len(heat.steps))]
    if heat.left_out:
        said.append(message("report.more_layers", count=heat.left_out))
    summary = tag("p", {"class": "summary", "id": f"{key}-said"}, sentences(said))
    told = {"aria-labelledby": f"{key}-name", "aria-describedby": f"{key}-said"}
    attributes = {"class": "heat", "id": key, "tabindex": 0, **told}
    return tag(
        "figure",
        attributes,
        caption,
        _map(heat, unit),
        summary,
        twin(message("report.as_table"), _table(heat)),
    )


def _map(heat: Heat, unit: float) -> str:
    end = float(heat.steps[-1]) or 1.0
    at = np.linspace(0, end, _COLUMNS)
    nearest = np.abs(at[:, None] - heat.steps[None, :]).argmin(axis=1)
    image = png(_shade(heat, heat.values[:, nearest]))
    rows = len(heat.layers)
    labels = [
        tag(
            "text",
            {"class": "row", "x": "-0.6em", "y": f"{100 * (k + 0.5) / rows:.2f}%", "dy": "0.32em"},
            escape(_short(name)),
        )
        for k, name in enumerate(heat.layers)
    ]
    box = {"width": "100%", "height": "100%", "preserveAspectRatio": "none"}
    drawn = tag("image", {**box, "class": "pixels", "href": image}) + tag(
        "rect", {"class": "edge", "width": "100%", "height": "100%"}
    )
    ticks = "".join(_tick(value, Axis(0, end / unit)) for value in Axis(0, end / unit).ticks(5))
    height = {
        "width": "100%",
        "height": f"{max(rows, 2) * 1.35:.2f}em",
        "class": "drawing",
        "aria-hidden": "true",
    }
    rounded = [[float(f"{v:.3g}") if np.isfinite(v) else None for v in row] for row in heat.values.tolist()]
    facts = {
        "data-layers": json.dumps(heat.layers, ensure_ascii=False),
        "data-steps": json.dumps([round(step / unit, 3) for step in heat.steps.tolist()]),
        "data-values": json.dumps(rounded, separators=(",", ":")),
        "data-right": f"{end / unit:.6g}",
    }
    svg = tag("svg", height, drawn, *labels, ticks)
    name = tag("span", {"class": "unit"}, words(message("report.epoch" if unit > 1 else "report.step")))
    return tag("div", {"class": "plot", **facts}, svg, name)


def _tick(value: float, across: Axis) -> str:
    x = f"{100 * across.at(value):.2f}%"
    return tag("text", {"class": "tick below", "x": x, "y": "100%", "dy": "1.4em"}, tick_label(value))


def _range(heat: Heat) -> Axis:
    return Axis(0.0, 1.0) if heat.signal in SHARES else spanning([heat.finite], log=True, margin=0.0)


def _shade(heat: Heat, values: NDArray[np.float64]) -> NDArray[np.uint8]:
    if heat.signal == "update_ratio":
        with np.errstate(divide="ignore"):
            decades = np.log10(values / _USUAL_CHANGE)
        return two_way(np.where(np.isinf(decades), np.sign(decades) * _DECADES, decades) / _DECADES)
    place = _range(heat).place(values)
    floor = 0.0 if heat.signal in SHARES else 0.06  # so that the smallest value can be told from nothing
    place = np.where(values == 0, 0.0, floor + (1 - floor) * place)
    return one_way(place, ORANGE if heat.signal in SHARES else BLUE)


def _bar(heat: Heat) -> str:
    """Draw which colour means what."""
    if heat.signal == "update_ratio":
        image, ends = png(two_way(np.linspace(-1, 1, _BAR))[None]), ("≤ 1e-5", "1e-3", "≥ 0.1")
    else:
        axis, colour = _range(heat), ORANGE if heat.signal in SHARES else BLUE
        image = png(one_way(np.linspace(0, 1, _BAR), colour)[None])
        ends = ("0 %", "", "100 %") if heat.signal in SHARES else (number(axis.low, 2), "", number(axis.high, 2))
    labels = [tag("span", {}, escape(end)) for end in ends]
    return tag("div", {"class": "bar"}, tag("img", {"src": image, "alt": ""}), tag("div", {"class": "ends"}, *labels))


def _short(name: str) -> str:
    return name if len(name) <= _MOST_NAME else "…" + name[1 - _MOST_NAME :]


def _table(heat: Heat) -> str:
    names = ("first", "median", "last", "smallest", "largest")
    head: list[Message | str] = [message("report.layer"), *(message(f"report.{name}") for name in names)]
    rows = []
    for layer, values in zip(heat.layers, heat.values, strict=True):
        known = values[np.isfinite(values)]
        shown = (known[0], np.median(known), known[-1], known.min(), known.max()) if len(known) else ()
        rows.append([layer, *(number(float(value), 3) for value in shown)])
    return table(head, rows, name="numbers")
