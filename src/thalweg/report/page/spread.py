"""Residuals: against what was predicted, and how they are distributed."""

import numpy as np
from numpy.typing import NDArray

from thalweg.core import message
from thalweg.report.judged import Residuals
from thalweg.report.page.axis import Axis, spanning, tick_label
from thalweg.report.page.markup import Words, escape, table, tag, twin, words
from thalweg.report.page.plot import TALL, WIDE, frame
from thalweg.report.phrases import number

_MOST_DOTS = 1500
_BINS = 31
_ROWS = 40


def residual_charts(residuals: Residuals, key: str) -> str:
    """Draw both charts of one target."""
    error = residuals.truth - residuals.predicted
    low, high = np.quantile(error, (0.25, 0.75))
    said = {
        "low": number(float(low), 3),
        "high": number(float(high), 3),
        "largest": number(float(np.abs(error).max()), 3),
    }
    title = message("report.residuals_of", target=residuals.target)
    left = _figure(f"{key}-dots", title, _scatter(residuals.predicted, error), across=message("report.prediction"))
    right = _figure(f"{key}-bars", message("report.histogram"), _histogram(error), across=message("report.residual"))
    summary = tag("p", {"class": "summary"}, words(message("report.residuals_summary", **said)))
    return tag("div", {"class": "pair"}, left, right) + summary + twin(message("report.as_table"), _table(residuals))


def _figure(key: str, title: Words, drawing: str, *, across: Words) -> str:
    caption = tag("figcaption", {}, tag("div", {"class": "head"}, tag("h3", {"id": f"{key}-name"}, words(title))))
    svg = tag("svg", {"class": "drawing", "width": "100%", "height": "100%", "aria-hidden": "true"}, drawing)
    plot = tag("div", {"class": "plot"}, svg, tag("span", {"class": "unit"}, words(across)))
    return tag("figure", {"class": "chart", "id": key, "aria-labelledby": f"{key}-name"}, caption, plot)


def _scatter(predicted: NDArray[np.float64], error: NDArray[np.float64]) -> str:
    kept = np.linspace(0, len(error) - 1, min(len(error), _MOST_DOTS)).round().astype(int)
    across, up = spanning([predicted]), _around_zero(error)
    x = np.rint(WIDE * across.place(predicted[kept])).astype(int)
    y = np.rint(TALL * (1 - up.place(error[kept]))).astype(int)
    dots = "".join(f"M{a} {b}h0" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    path = tag("path", {"class": "cloud", "d": dots, "vector-effect": "non-scaling-stroke"})
    box = {
        "viewBox": f"0 0 {WIDE} {TALL}",
        "preserveAspectRatio": "none",
        "width": "100%",
        "height": "100%",
        "class": "lines",
    }
    zero = f"{100 * (1 - up.at(0)):.2f}%"
    rule = tag("line", {"class": "zero", "x1": 0, "x2": "100%", "y1": zero, "y2": zero})
    return frame(across, up) + rule + tag("svg", box, path)


def _around_zero(error: NDArray[np.float64]) -> Axis:
    reach = float(np.abs(error).max()) * 1.06 or 1.0
    return Axis(-reach, reach)


def _histogram(error: NDArray[np.float64]) -> str:
    across = _around_zero(error)
    counts, edges = np.histogram(error, bins=_BINS, range=(across.low, across.high))
    up = Axis(0.0, float(counts.max()) * 1.08 or 1.0)
    bars = []
    for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if count:
            height, width = 100 * up.at(count), 100 * (across.at(right) - across.at(left))
            box = {
                "x": f"{100 * across.at(left) + 0.15:.2f}%", "y": f"{100 - height:.2f}%",
                "width": f"{width - 0.3:.2f}%", "height": f"{height:.2f}%",
            }  # fmt: skip
            told = tag("title", {}, escape(f"{tick_label(left)} … {tick_label(right)}: {count}"))
            bars.append(tag("g", {"class": "bar"}, told, tag("rect", box)))
    return frame(across, up) + "".join(bars)


def _table(residuals: Residuals) -> str:
    """Write examples from the smallest to the largest prediction."""
    order = np.argsort(residuals.predicted)
    kept = order[np.linspace(0, len(order) - 1, min(_ROWS, len(order))).round().astype(int)]
    head = [message("report.prediction"), message("report.truth"), message("report.residual")]
    truth, said = residuals.truth[kept].tolist(), residuals.predicted[kept].tolist()
    return table(
        head,
        [[number(p), number(t), number(t - p, 3)] for t, p in zip(truth, said, strict=True)],
        name="numbers",
    )
