"""The curves of a run as a matplotlib figure: four panels, without pyplot and its global state."""

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from thalweg.core import language, message
from thalweg.report.curves import Curves, Series, read_curves
from thalweg.report.layers import Heat, read_layers
from thalweg.report.phrases import metric_name, phrase
from thalweg.train import Folder

_INK, _SOFT, _HAIR, _GHOST = "#1b1d21", "#5d6068", "#e4e1d9", "#b4c1cf"
_BLUE, _ORANGE, _GREEN = "#1f5f9e", "#bf5a0b", "#2b7a63"
_LAYERS = ("#1f5f9e", "#bf5a0b", "#2b7a63", "#7a4f9e", "#8c6d1f", "#5d6068")
_STYLES = ("-", "--", ":", "-.")
_CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
)
_LOG_FROM = 3.0  # times the smallest value: from there on an axis is logarithmic
_MOST_LAYERS = 6


def plot_run(folder: Folder) -> Figure:
    """Draw loss, metric, rate, and gradient with relative changes of the weights, on 1200 by 800 pixels."""
    folder.must_exist()
    with contextlib.closing(folder.trace()) as trace:
        curves, layers = read_curves(trace), read_layers(trace)
    figure = Figure(figsize=(12, 8), dpi=100, facecolor="white", layout=ConstrainedLayoutEngine(w_pad=0.2, h_pad=0.2))
    loss, metric, rate, gradient = figure.subplots(2, 2).flat
    pen = _Pen(curves)
    pen.draw_loss(loss)
    pen.draw_metric(metric)
    pen.draw_rate(rate)
    pen.draw_gradient(gradient, next((heat for heat in layers if heat.signal == "update_ratio"), None))
    figure.suptitle(
        folder.path.resolve().name if pen.font or folder.path.name.isascii() else "",
        **pen.face(13),
        x=0.012,
        ha="left",
    )
    return figure


class _Pen:
    """Draw panels of one run in the language in use, in English where no font here has Chinese letters."""

    def __init__(self, curves: Curves) -> None:
        self.curves = curves
        self.font = chinese_font()
        self.lang = language() if self.font else "en"
        self.unit = curves.steps_per_epoch if np.isfinite(curves.steps_per_epoch) else 1.0

    def say(self, name: str) -> str:
        return phrase(message(f"report.{name}"), self.lang)

    def face(self, size: float) -> dict[str, Any]:
        """Return the font of a text: matplotlib's own, with the signs of formulas, then a Chinese one."""
        return {"fontsize": size, "color": _INK, "fontfamily": ["DejaVu Sans", *filter(None, [self.font])]}

    def draw_loss(self, axes: Axes) -> None:
        told = self.curves
        lines = [told.loss, told.smoothed]
        self._line(axes, told.loss, "loss_each", color=_GHOST, width=0.8)
        self._line(axes, told.smoothed, "loss_smoothed", color=_BLUE, width=2)
        lines += self._splits(axes, "loss")
        self._finish(axes, self.say("loss"), log=_spread(lines))
        self._marks(axes)

    def draw_metric(self, axes: Axes) -> None:
        names = self.curves.metrics()
        title = phrase(metric_name(names[0]), self.lang).strip() if names else self.say("value")
        if names:
            self._splits(axes, names[0])
        else:
            self._nothing(axes)
        self._finish(axes, title)
        self._marks(axes)

    def draw_rate(self, axes: Axes) -> None:
        self._line(axes, self.curves.lr, None, color=_BLUE, width=2)
        self._finish(axes, self.say("rate"))

    def draw_gradient(self, axes: Axes, ratios: Heat | None) -> None:
        """Draw the gradient norm, and on a second axis how far a step moves each layer."""
        self._line(axes, self.curves.grad_norm, None, color=_GHOST, width=0.9)
        self._finish(axes, self.say("gradient"), log=_spread([self.curves.grad_norm]))
        if ratios is None or not (ratios.finite > 0).any():
            return
        right = axes.twinx()
        for k, (layer, values) in enumerate(zip(ratios.layers[:_MOST_LAYERS], ratios.values, strict=False)):
            label = layer if self.font or layer.isascii() else f"{k}"
            style: dict[str, Any] = {
                "color": _LAYERS[k % len(_LAYERS)],
                "linestyle": _STYLES[k % len(_STYLES)],
                "linewidth": 1.4,
            }
            right.plot(
                ratios.steps / self.unit,
                np.where(values > 0, values, np.nan),
                label=_plain(label),
                marker=".",
                **style,
            )
        right.set_yscale("log")
        self._label(right, "y", self.say("signal_update_ratio"))
        self._dress(right, keep="right")
        right.legend(loc="best", frameon=False, prop=self._small(), ncols=2)

    def _splits(self, axes: Axes, metric: str) -> list[Series]:
        drawn = []
        for split, color, style in (("train", _GREEN, ":"), ("validation", _ORANGE, "--")):
            series = self.curves.get(split, metric)
            if len(series.finite):
                self._line(axes, series, f"loss_{split}", color=color, style=style, width=1.8)
                drawn.append(series)
        return drawn

    def _line(
        self,
        axes: Axes,
        series: Series,
        name: str | None,
        *,
        color: str,
        style: str = "-",
        width: float = 1.5,
    ) -> None:
        marker = "." if len(series) <= 48 else ""
        label = self.say(name) if name else "_"
        axes.plot(
            series.steps / self.unit,
            series.values,
            color=color,
            linestyle=style,
            linewidth=width,
            marker=marker,
            label=label,
        )

    def _marks(self, axes: Axes) -> None:
        marks = ((self.curves.best_at, "best_weights"), (self.curves.lost_at, "lost_here"))
        for step, name in marks:
            if step is not None:
                axes.axvline(step / self.unit, color=_INK, linewidth=0.8, linestyle=(0, (1, 3)))
                late = step > self.curves.num_steps / 2
                axes.annotate(
                    self.say(name), (step / self.unit, 0.98), xycoords=axes.get_xaxis_transform(),
                    xytext=(-5 if late else 5, 0), textcoords="offset points",
                    ha="right" if late else "left", va="top", **self.face(9),
                )  # fmt: skip

    def _nothing(self, axes: Axes) -> None:
        axes.text(0.5, 0.5, "–", transform=axes.transAxes, ha="center", **self.face(14))

    def _finish(self, axes: Axes, title: str, *, log: bool = False) -> None:
        axes.set_title(title[:1].upper() + title[1:], loc="left", pad=10, **{**self.face(11), "fontweight": "bold"})
        self._label(axes, "x", self.say("epoch" if self.unit > 1 else "step"))
        axes.set_yscale("log" if log else "linear")
        axes.set_xlim(0, max(self.curves.num_steps, 1) / self.unit)
        self._dress(axes, keep="left")
        axes.grid(axis="y", color=_HAIR, linewidth=0.8)
        axes.set_axisbelow(True)
        handles, labels = axes.get_legend_handles_labels()
        if len(labels) > 1:
            axes.legend(handles, labels, loc="best", frameon=False, prop=self._small())

    def _label(self, axes: Axes, which: str, text: str) -> None:
        place = axes.set_xlabel if which == "x" else axes.set_ylabel
        place(text, **{**self.face(9), "color": _SOFT})

    def _dress(self, axes: Axes, *, keep: str) -> None:
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(_SOFT)
        axes.tick_params(colors=_SOFT, labelsize=9, length=0, which="both")
        axes.yaxis.set_ticks_position(keep)  # type: ignore[arg-type]

    def _small(self) -> font_manager.FontProperties:
        return font_manager.FontProperties(family=["DejaVu Sans", *filter(None, [self.font])], size=9)


def chinese_font() -> str | None:
    known = set(font_manager.get_font_names())
    return next((name for name in _CHINESE if name in known), None)


def _spread(lines: Sequence[Series]) -> bool:
    """Tell whether values span so much that only a logarithmic axis shows them."""
    values = np.concatenate([line.finite for line in lines] or [np.empty(0)])
    known = values[values > 0]
    return len(known) > len(values) / 2 and bool(known.max() > _LOG_FROM * known.min())


def _plain(name: str) -> str:
    """Keep matplotlib from reading a name as a formula, or as one that is not to be listed."""
    text = name.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text
