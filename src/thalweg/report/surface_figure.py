"""Paths over a surface as a figure: the map with its contours, and the loss over the steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine

from thalweg.core import Outcome, UsageError, language, say
from thalweg.report.figures import chinese_font
from thalweg.surface import Path, heights

_INK, _SOFT, _HAIR = "#1b1d21", "#5d6068", "#e4e1d9"
_TRAILS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#1b1d21")
"""Told apart by eyes that do not tell red from green (Okabe and Ito 2008); the end marks differ, too."""
_MARKS = ("o", "s", "^", "D", "v", "P", "X")
_GROUND = LinearSegmentedColormap.from_list("ground", ["#ffffff", "#f3f5f7", "#e4e9ee", "#cfd7df", "#b4c0cc"])
_LEVELS, _DEEPEST = 13, 3.0  # contours; powers of ten between the lowest and the highest
_SHALLOW = 0.2  # median height, as a share of the highest, from which on contours are spaced evenly
_ROOM = 0.4  # of the view: so far it is widened for trails that leave it
_CLIMB = 30.0  # times the loss at the start: so far up the axis of losses goes
_MOST_DOTS = 120


def draw_race(paths: Mapping[str, Path], *, title: str = "") -> Figure:
    """Draw the paths of one surface on 1200 by 560 pixels: map and losses.

    Contours are log-spaced where most of the ground lies low, evenly spaced elsewhere.
    """
    if not paths:
        raise UsageError("`draw_race(paths=...)` needs one path or more, got none.")
    figure = Figure(figsize=(12, 5.6), dpi=100, facecolor="white", layout=ConstrainedLayoutEngine(w_pad=0.15))
    land, curves = figure.subplots(1, 2, width_ratios=(1.25, 1))
    pen = _Pen(paths)
    pen.draw_ground(land)
    pen.draw_landmarks(land)
    pen.draw_trails(land)
    pen.draw_losses(curves)
    if title:
        figure.suptitle(title.replace("$", r"\$"), x=0.012, ha="left", **{**pen.face(13), "fontweight": "bold"})
    return figure


class _Pen:
    """Draw paths in the language in use, in English where no font here has Chinese letters."""

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self.paths = paths
        self.surface = next(iter(paths.values())).surface
        self.landmarks = self.surface.landmarks()
        self.font = chinese_font()
        self.lang = language() if self.font else "en"
        self.x, self.y = (self._range(axis) for axis in (0, 1))

    def say(self, name: str, **values: Any) -> str:
        return say(f"descend.{name}", self.lang, **values)

    def face(self, size: float) -> dict[str, Any]:
        return {"fontsize": size, "color": _INK, "fontfamily": ["DejaVu Sans", *filter(None, [self.font])]}

    def draw_ground(self, axes: Axes) -> None:
        x, y, z = (tensor.numpy() for tensor in heights(self.surface, self.x, self.y, count=301))
        known = z[np.isfinite(z)]
        low, high = np.quantile(known, (0.005, 1)) if len(known) else (0.0, 0.0)
        if high > low:
            share = np.clip((z - low) / (high - low), 10 ** -(_DEEPEST + 1), 1)
            deep = np.nanmedian(share) < _SHALLOW
            levels = np.linspace(-_DEEPEST, 0, _LEVELS) if deep else np.linspace(0, 1, _LEVELS)
            shown = np.ma.masked_invalid(np.log10(share) if deep else share)
            axes.contourf(x, y, shown, levels=levels, cmap=_GROUND, extend="min")
            axes.contour(x, y, shown, levels=levels, colors="#93a1b1", linewidths=0.6, linestyles="-")
        axes.set_xlim(*self.x)
        axes.set_ylim(*self.y)
        wide, high = self.x[1] - self.x[0], self.y[1] - self.y[0]
        if 0.5 <= wide / high <= 2:
            axes.set_aspect("equal")
        self._dress(axes, "x", "y")

    def draw_landmarks(self, axes: Axes) -> None:
        """Mark start, minima and saddles; a label stands for all marks of its kind."""
        known = self.landmarks
        start = next(iter(self.paths.values())).points[0].tolist()
        halo = [patheffects.withStroke(linewidth=2.5, foreground="white")]
        for points, marker, size, name in (
            (known.minima, "*", 130, "minimum"),
            ((*known.saddles, *known.degenerate), "x", 60, "saddle"),
            ((start,), "o", 70, "start"),
        ):
            if points:
                across, up = zip(*points, strict=True)
                face = "white" if name == "start" else _INK
                style: dict[str, Any] = {"c": face} if marker == "x" else {"c": face, "edgecolors": _INK}
                if marker == "x":
                    style = {"c": _INK, "path_effects": halo}
                axes.scatter(across, up, marker=marker, s=size, zorder=5, linewidths=1.2, label=self.say(name), **style)
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3, frameon=False, prop=self._small(),
            handletextpad=0.3, columnspacing=1.6,
        )  # fmt: skip

    def draw_trails(self, axes: Axes) -> None:
        for k, path in enumerate(self.paths.values()):
            color, points = _TRAILS[k % len(_TRAILS)], self._in_sight(path)
            dots = "." if path.steps <= _MOST_DOTS else ""
            line = axes.plot(
                *points.T, color=color, linewidth=1.7, marker=dots, markersize=4.5, zorder=3, solid_joinstyle="round"
            )
            line[0].set_path_effects([patheffects.Stroke(linewidth=3.2, foreground="white"), patheffects.Normal()])
            axes.plot(
                *path.end, marker=_MARKS[k % len(_MARKS)], color=color, markersize=8,
                markeredgecolor="white", markeredgewidth=1.2, zorder=6,
            )  # fmt: skip

    def _in_sight(self, path: Path) -> np.ndarray:
        """Return the points (N, 2) before the path is farther out than two views: what diverges would cover all."""
        points: np.ndarray = path.points.numpy()
        middle, size = ([reckon(self.x), reckon(self.y)] for reckon in (np.mean, np.ptp))
        away = np.flatnonzero((np.abs(points - middle) > 2 * np.array(size)).any(axis=1))
        return points[: away[0] + 1] if len(away) else points

    def draw_losses(self, axes: Axes) -> None:
        floor = self.surface.lowest()
        drawn = {name: path.losses.numpy() - (floor or 0.0) for name, path in self.paths.items()}
        above = np.concatenate(list(drawn.values()))
        above = above[np.isfinite(above)]
        log = _spans_powers(above, all_of_them=floor is None)
        for k, (name, path) in enumerate(self.paths.items()):
            values = np.where(drawn[name] > 0, drawn[name], np.nan) if log else drawn[name]
            axes.plot(
                np.arange(len(values)), values, color=_TRAILS[k % len(_TRAILS)], linewidth=2,
                label=self._label(name, path), marker=_MARKS[k % len(_MARKS)], markersize=6, markeredgecolor="white",
                markevery=max(len(values) // 6, 1),
            )  # fmt: skip
        axes.set_yscale("log" if log else "linear")
        if log and len(above):
            top = 2 * min(above.max(), _CLIMB * max(values[0] for values in drawn.values()))
            low = above[above > 0].min(initial=top / 10)
            axes.set_ylim(max(low, top * 1e-14) / 2, top)
        axes.set_xlim(0, max(len(path.losses) - 1 for path in self.paths.values()))
        shown = self.say("loss") if not floor else self.say("loss_above", floor=f"{floor:.4g}")
        self._dress(axes, self.say("step"), shown)
        axes.grid(axis="y", color=_HAIR, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False, prop=self._small())

    def _label(self, name: str, path: Path) -> str:
        said = f"{path.loss:.3g}" if path.outcome is not Outcome.DIVERGED else self.say("lost_at", step=path.steps + 1)
        return f"{name}  {said}".replace("$", r"\$")

    def _range(self, axis: int) -> tuple[float, float]:
        """Return the view along an axis, widened for trails that leave it, but not without end."""
        low, high = (self.landmarks.x, self.landmarks.y)[axis]
        room = _ROOM * (high - low)
        starts = [float(path.points[0, axis]) for path in self.paths.values()]
        low, high = min([low, *(at - room / 4 for at in starts)]), max([high, *(at + room / 4 for at in starts)])
        for path in self.paths.values():
            met = path.points[:, axis]
            met = met[met.isfinite()]
            low = min(low, max(float(met.min()), low - room)) if len(met) else low
            high = max(high, min(float(met.max()), high + room)) if len(met) else high
        return low, high

    def _dress(self, axes: Axes, across: str, up: str) -> None:
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("bottom", "left"))
            spine.set_color(_SOFT)
        axes.tick_params(colors=_SOFT, labelsize=9, length=3, which="both")
        axes.set_xlabel(across, **{**self.face(9), "color": _SOFT})
        axes.set_ylabel(up, **{**self.face(9), "color": _SOFT})

    def _small(self) -> FontProperties:
        return FontProperties(family=["DejaVu Sans", *filter(None, [self.font])], size=9)


def _spans_powers(values: np.ndarray, *, all_of_them: bool) -> bool:
    """Tell whether values span more than a power of ten; where all must be positive, none may lie below zero."""
    positive = values[values > 0]
    return (
        len(positive) > 0
        and not (all_of_them and len(positive) < len(values))
        and bool(positive.max() > 10 * positive.min())
    )
