"""Curves of the run, and what went on inside the network."""

import math

import numpy as np

from thalweg.core import Message, message
from thalweg.report.curves import Curves, Series
from thalweg.report.page.axis import tick_label
from thalweg.report.page.heat import heat_chart
from thalweg.report.page.markup import section, sentences, tag, words
from thalweg.report.page.plot import Chart, Line, line_chart
from thalweg.report.phrases import metric_name, metric_value, number, percent
from thalweg.report.story import Story

_SHARES = ("accuracy", "macro_f1")
_LOWER = ("loss", "mae", "rmse", "perplexity", "bits")


def curves(story: Story) -> str:
    """Draw loss, metrics, rate and gradient."""
    told = story.curves
    if not told.num_steps:
        return section(
            "curves",
            message("report.curves"),
            tag("p", {"class": "about"}, words(message("report.no_steps"))),
        )
    charts = [*(_metric(told, metric) for metric in told.metrics()[:2]), _rate(told), _gradient(told)]
    rest = tag("div", {"class": "pair"}, *(line_chart(chart, told) for chart in charts))
    hint = tag("p", {"class": "about screen"}, words(message("report.hover")))
    return section("curves", message("report.curves"), line_chart(_loss(told), told), rest, hint)


def layers(story: Story) -> str:
    """Draw the signals of layers; those that never showed are said in a sentence."""
    if not story.layers:
        return ""
    about = tag("p", {"class": "about"}, words(message("report.layers_about")))
    drawn = [heat_chart(heat, story.curves) for heat in story.layers if not heat.quiet]
    quiet = [
        message("report.quiet", signal=message(f"report.signal_{heat.signal}")) for heat in story.layers if heat.quiet
    ]
    said = tag("p", {"class": "calm"}, sentences(quiet)) if quiet else ""
    return section("layers", message("report.layers"), about, tag("div", {"class": "pair"}, *drawn), said)


def _loss(told: Curves) -> Chart:
    lines = (
        Line(name=message("report.loss_each"), series=told.loss, style="raw"),
        Line(name=message("report.loss_smoothed"), series=told.smoothed, style="smooth"),
        *_splits(told, "loss"),
    )
    return Chart(
        key="loss", title=message("report.loss"), lines=lines, summary=tuple(_loss_said(told)),
        marks=_marks(told), log=True, size="tall",
    )  # fmt: skip


def _splits(told: Curves, metric: str) -> tuple[Line, ...]:
    found = [(split, told.get(split, metric)) for split in ("train", "validation")]
    return tuple(
        Line(name=message(f"report.loss_{split}"), series=series, style=split) for split, series in found if len(series)
    )


def _marks(told: Curves) -> tuple[tuple[float, Message], ...]:
    marks: list[tuple[float, Message]] = []
    if told.best_at is not None:
        marks.append((told.best_at, message("report.best_weights")))
    if told.lost_at is not None:
        marks.append((told.lost_at, message("report.lost_here")))
    return tuple(marks)


def _loss_said(told: Curves) -> list[Message]:
    said = []
    if len(told.smoothed.finite):
        first, last = number(float(told.smoothed.finite[0]), 3), number(told.smoothed.last, 3)
        said.append(message("report.loss_summary", first=first, last=last, steps=number(told.num_steps)))
    validation = told.get("validation", "loss")
    if len(validation.finite) and not math.isnan(told.steps_per_epoch):
        lowest = int(np.nanargmin(validation.values))
        epoch = told.epoch(float(validation.steps[lowest]))
        value = number(float(validation.values[lowest]), 3)
        said.append(
            message(
                "report.validation_summary",
                epoch=f"{epoch:.4g}",
                lowest=value,
                last=number(validation.last, 3),
            )
        )
    if told.lost_at is not None:
        said.append(message("report.lost_summary", step=number(told.lost_at)))
    return said


def _metric(told: Curves, metric: str) -> Chart:
    validation = told.get("validation", metric)
    said: tuple[Message, ...] = ()
    if len(validation.finite):
        best = float(validation.finite.min() if metric in _LOWER else validation.finite.max())
        said = (
            message(
                "report.metric_summary",
                best=metric_value(metric, best),
                last=metric_value(metric, validation.last),
            ),
        )
    return Chart(
        key=f"metric-{metric}", title=metric_name(metric), lines=_splits(told, metric), summary=said,
        marks=_marks(told), write=lambda value: metric_value(metric, value),
        tick=percent if metric in _SHARES else tick_label,
    )  # fmt: skip


def _rate(told: Curves) -> Chart:
    known = told.lr.finite
    said: tuple[Message, ...] = ()
    if len(known):
        ends = {
            "first": number(float(known[0]), 3),
            "last": number(float(known[-1]), 3),
            "highest": number(float(known.max()), 3),
        }
        said = (message("report.rate_summary", **ends),)
    line = Line(name=message("report.rate"), series=told.lr, style="smooth")
    return Chart(key="rate", title=message("report.rate"), lines=(line,), summary=said)


def _gradient(told: Curves) -> Chart:
    known = told.grad_norm.finite
    said: tuple[Message, ...] = ()
    if len(known):
        middle, highest = number(float(np.median(known)), 3), number(float(known.max()), 3)
        said = (message("report.gradient_summary", median=middle, highest=highest),)
    line = Line(name=message("report.gradient"), series=_above_zero(told.grad_norm), style="thin")
    return Chart(key="gradient", title=message("report.gradient"), lines=(line,), summary=said, log=True)


def _above_zero(series: Series) -> Series:
    """Leave out gradients of exactly 0, which no logarithm can show."""
    kept = ~(series.values == 0)
    return Series(steps=series.steps[kept], values=series.values[kept])
