"""Surveys as a figure: what each layer does at step 0, several starts side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from thalweg.core import UsageError, language, say
from thalweg.init import Survey, SurveyRow
from thalweg.report.figures import chinese_font

_INK, _SOFT, _HAIR = "#1b1d21", "#5d6068", "#e4e1d9"
_BLUE, _ORANGE = "#1f5f9e", "#bf5a0b"
_COLOURS = {"hold": "#2b7a63", "vanish": "#6a4c93", "explode": "#b3261e", "unknown": _SOFT}
_DEAD, _SATURATED = "#4a4e57", "#d8a13a"
_MOST_NAMED = 12  # layers whose names stand below the axis
_MOST_DOTS = 40
_FLOOR = 1e-30  # decades below which nothing is drawn


def plot_survey(surveys: Mapping[str, Survey]) -> Figure:
    """Draw a column for each start: activations, how signals and gradients grow or shrink, dead and saturated units.

    All columns share their axes; what leaves the first row explodes. The output layer is left out.
    """
    if not surveys:
        raise UsageError("`plot_survey(surveys=...)` needs one survey or more, got none.")
    count = len(surveys)
    figure = Figure(
        figsize=(max(3.1 * count + 0.8, 5.5), 8),
        dpi=100,
        facecolor="white",
        layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.06, hspace=0.02),
    )
    grid = figure.subplots(3, count, sharey="row", squeeze=False, height_ratios=(1.15, 1.15, 0.7))
    pen = _Pen(surveys)
    for column, (name, survey) in enumerate(surveys.items()):
        top, middle, bottom = grid[:, column]
        first = column == 0
        pen.draw_head(top, name, survey)
        pen.draw_activations(top, survey, first=first)
        pen.draw_sizes(middle, survey, first=first)
        pen.draw_shares(bottom, survey, first=first)
    pen.draw_legend(figure, grid[1, -1], grid[2, -1])
    return figure


class _Pen:
    """Draw surveys in the language in use, in English where no font here has Chinese letters."""

    def __init__(self, surveys: Mapping[str, Survey]) -> None:
        self.font = chinese_font()
        self.lang = language() if self.font else "en"
        self.limit = _limit(surveys)
        self.decades = _decades(surveys)

    def say(self, name: str) -> str:
        return say(f"survey.{name}", self.lang)

    def face(self, size: float, colour: str = _INK) -> dict[str, Any]:
        return {"fontsize": size, "color": colour, "fontfamily": ["DejaVu Sans", *filter(None, [self.font])]}

    def draw_head(self, axes: Axes, name: str, survey: Survey) -> None:
        """Write the start's name, and under it the two verdicts in their colours."""
        shown = name if self.font or name.isascii() else "?"
        axes.text(
            0, 1.19, shown.replace("$", r"\$"), transform=axes.transAxes, **{**self.face(12), "fontweight": "bold"}
        )
        parts = (
            ("forward", survey.forward, survey.forward_ratio),
            ("backward", survey.backward, survey.backward_ratio),
        )
        for height, (way, verdict, ratio) in zip((1.115, 1.04), parts, strict=True):
            arrow = "→" if way == "forward" else "←"
            text = f"{arrow} {self.say(way)} {self.say(verdict)} {_times(ratio)}"
            axes.text(0, height, text, transform=axes.transAxes, **self.face(9.5, _COLOURS[verdict]))

    def draw_activations(self, axes: Axes, survey: Survey, *, first: bool) -> None:
        rows = hidden(survey)
        mean, std = _column(rows, "mean"), _column(rows, "std")
        place = np.arange(1, len(rows) + 1)
        middle, wide = (np.nan_to_num(part) / _shrink(mean, std, most=1e3 * self.limit) for part in (mean, std))
        axes.fill_between(place, middle - wide, middle + wide, color=_BLUE, alpha=0.16, linewidth=0)
        axes.fill_between(place, middle - wide / 2, middle + wide / 2, color=_BLUE, alpha=0.22, linewidth=0)
        axes.plot(place, middle, color=_BLUE, linewidth=1.8, marker=_dots(rows), markersize=4)
        axes.axhline(0, color=_SOFT, linewidth=0.6, zorder=0)
        axes.set_ylim(-self.limit, self.limit)
        self._dress(axes, rows, named=False, label=self.say("activations") if first else "")

    def draw_sizes(self, axes: Axes, survey: Survey, *, first: bool) -> None:
        rows = hidden(survey)
        place = np.arange(1, len(rows) + 1)
        axes.set_yscale("log")
        for name, label, colour, style in (("std", "signal", _BLUE, "-"), ("grad_std", "gradient", _ORANGE, "--")):
            values = _column(rows, name)
            values = np.where(np.isfinite(values) & (values > _FLOOR), values, np.nan)
            axes.plot(
                place, values, color=colour, linestyle=style, linewidth=1.8,
                marker=_dots(rows), markersize=4, label=self.say(label),
            )  # fmt: skip
        axes.axhline(1, color=_SOFT, linewidth=0.6, zorder=0)
        axes.set_ylim(*self.decades)
        self._dress(axes, rows, named=False, label=self.say("sizes") if first else "")

    def draw_shares(self, axes: Axes, survey: Survey, *, first: bool) -> None:
        rows = hidden(survey)
        place = np.arange(1, len(rows) + 1)
        dead, saturated = (np.nan_to_num(_column(rows, name)) for name in ("dead", "saturated"))
        axes.bar(place, dead, width=0.72, color=_DEAD, label=self.say("dead"))
        axes.bar(place, saturated, width=0.72, bottom=dead, color=_SATURATED, label=self.say("saturated"))
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        self._dress(axes, rows, named=True, label=self.say("shares") if first else "")

    def draw_legend(self, figure: Figure, *panels: Axes) -> None:
        handles = [handle for axes in panels for handle in axes.get_legend_handles_labels()[0]]
        family = FontProperties(family=["DejaVu Sans", *filter(None, [self.font])], size=9.5)
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), frameon=False, prop=family)

    def _dress(self, axes: Axes, rows: Sequence[SurveyRow], *, named: bool, label: str) -> None:
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(_SOFT)
        axes.tick_params(colors=_SOFT, labelsize=8.5, length=0, which="both")
        axes.grid(axis="y", color=_HAIR, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.set_xlim(0.4, len(rows) + 0.6)
        names = [row.name.replace("$", r"\$") for row in rows]
        if named and len(rows) <= _MOST_NAMED and max(map(len, names), default=0) <= 24:
            axes.set_xticks(range(1, len(rows) + 1), names, rotation=60, ha="right", rotation_mode="anchor")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.tick_params(labelbottom=named)
        if named:
            axes.set_xlabel(self.say("layer"), **self.face(9, _SOFT))
        if label:
            axes.set_ylabel(label, **self.face(9.5, _SOFT))


def hidden(survey: Survey) -> tuple[SurveyRow, ...]:
    """Return all rows but the output's, or that one if there is no other."""
    return survey.rows[:-1] or survey.rows


def _column(rows: Sequence[SurveyRow], name: str) -> NDArray[np.float64]:
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def _limit(surveys: Mapping[str, Survey]) -> float:
    """Return how far the first row reaches: over every start that holds, else over the smallest."""
    reach = {}
    for name, survey in surveys.items():
        sizes = np.abs(_column(hidden(survey), "mean")) + _column(hidden(survey), "std")
        known = sizes[np.isfinite(sizes)]
        reach[name] = float(known.max()) if len(known) else np.inf
    holding = [reach[name] for name, survey in surveys.items() if survey.forward in ("hold", "unknown")]
    limit = 1.12 * (max(holding) if holding else min(reach.values()))
    return limit if np.isfinite(limit) and limit > 0 else 1.0


def _decades(surveys: Mapping[str, Survey]) -> tuple[float, float]:
    """Return the range of the second row, in whole powers of ten around all that can be drawn."""
    values = np.concatenate(
        [_column(hidden(survey), name) for survey in surveys.values() for name in ("std", "grad_std")]
    )
    known = values[np.isfinite(values) & (values > _FLOOR)]
    if not len(known):
        return 0.1, 10.0
    low, high = np.floor(np.log10(known.min()) - 0.15), np.ceil(np.log10(known.max()) + 0.15)
    return float(10**low), float(10**high)


def _dots(rows: Sequence[SurveyRow]) -> str:
    return "o" if len(rows) <= _MOST_DOTS else ""


def _shrink(mean: NDArray[np.float64], std: NDArray[np.float64], *, most: float) -> NDArray[np.float64]:
    """Return by what each band is divided so that it still covers the frame, and no more than can be drawn."""
    reach: NDArray[np.float64] = np.nan_to_num(np.abs(mean) + std)
    return np.maximum(reach / most, 1.0)


def _times(ratio: float) -> str:
    if np.isnan(ratio):
        return ""
    if np.isinf(ratio):
        return "× ∞"
    if ratio == 0 or 1e-3 <= ratio < 1e4:
        return f"× {ratio:.2g}"
    exponent = str(int(np.round(np.log10(ratio))))
    return "× 10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
