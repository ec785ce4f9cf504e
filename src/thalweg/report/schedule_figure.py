"""Schedules as a matplotlib figure, before any training: several in one picture, without pyplot."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from thalweg.core import language, say
from thalweg.report.figures import chinese_font
from thalweg.schedules import Progress, Schedule, progress

_INK, _SOFT, _HAIR = "#1b1d21", "#5d6068", "#e4e1d9"
_COLORS = ("#1f5f9e", "#bf5a0b", "#2b7a63", "#7a4f9e", "#8c6d1f", "#5d6068")
_STYLES = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (6, 2, 1.4, 2)))
_MOST_POINTS = 4000  # more than the picture has columns
_FEW_STEPS = 60  # up to which each step is seen as one
_LONG_NAME = 40  # letters; shorter names share a row of the legend


def plot_schedules(
    schedules: Mapping[str, Schedule], run: Progress, *, lr: float | None = None, log: bool = False
) -> Figure:
    """Draw schedules by name over the epochs of a run, as multipliers or, with `lr`, as rates.

    Of `run` the length of the epochs and of the run are used, and what was seen; its moments are not.
    """
    columns = 1 if any(len(name) > _LONG_NAME for name in schedules) else 3
    height = 4.3 + 0.21 * math.ceil(len(schedules) / columns)  # so that the names take no room from the curves
    layout = ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.15)
    figure = Figure(figsize=(10, height), dpi=100, facecolor="white", layout=layout)
    axes = figure.add_subplot()
    for k, (name, schedule) in enumerate(schedules.items()):
        epochs, values = curve(schedule, run)
        style: dict[str, Any] = {"color": _COLORS[k % len(_COLORS)], "linestyle": _STYLES[k // 3 % len(_STYLES)]}
        few = run.num_steps <= _FEW_STEPS
        axes.plot(
            epochs,
            values * (lr or 1.0),
            label=name.replace("$", r"\$"),
            linewidth=2,
            solid_capstyle="round",
            drawstyle="steps-post" if few else "default",
            zorder=3,
            clip_on=False,
            **style,
        )
        if len(schedules) == 1:
            step: Literal["post"] | None = "post" if few else None
            axes.fill_between(
                epochs,
                values * (lr or 1.0),
                step=step,
                color=style["color"],
                alpha=0.07,
                linewidth=0,
            )
    _dress(axes, run, name="rate" if lr else "factor", log=log)
    _name(axes, columns)
    return figure


def curve(schedule: Schedule, run: Progress, most: int = _MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return (epochs, factors) of a schedule from the first step to the last, held until the end of the run."""
    last = max(int(run.num_steps) - 1, 0)
    steps = torch.linspace(0, last, min(most, last + 1), dtype=torch.float64).round()
    at = progress(
        steps,
        steps_per_epoch=int(run.steps_per_epoch),
        num_steps=int(run.num_steps),
        batch_size=int(run.batch_size),
        seen=run.seen,
    )
    epochs, factors = at.epoch.numpy(), schedule.factor(at).numpy()
    end = run.num_steps / run.steps_per_epoch
    return np.append(epochs, end), np.append(factors, factors[-1])


def _dress(axes: Axes, run: Progress, *, name: str, log: bool) -> None:
    font = chinese_font()
    lang = language() if font else "en"
    face: dict[str, Any] = {"fontfamily": ["DejaVu Sans", *filter(None, [font])]}
    axes.set_title(say(f"report.{name}", lang), loc="left", pad=12, fontsize=12, fontweight="bold", color=_INK, **face)
    axes.set_xlabel(say("report.epoch", lang), fontsize=9.5, color=_SOFT, **face)
    axes.set_xlim(0, max(run.num_steps, 1) / run.steps_per_epoch)
    if log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
        axes.margins(y=0.06)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_SOFT)
    axes.tick_params(colors=_SOFT, labelsize=9.5, length=0, which="both")
    axes.grid(axis="y", color=_HAIR, linewidth=0.8)
    axes.set_axisbelow(True)


def _name(axes: Axes, columns: int) -> None:
    """Name the curves below the picture, in letters of one width: a schedule is written as it is typed."""
    font = font_manager.FontProperties(family=["DejaVu Sans Mono", *filter(None, [chinese_font()])], size=9)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(-0.006, -0.12),
        borderaxespad=0,
        frameon=False,
        prop=font,
        labelcolor=_INK,
        handlelength=3.2,
        ncols=columns,
    )
