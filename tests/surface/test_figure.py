"""The picture of a race: what is on it, and that it copes with paths that are lost or leave."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from thalweg.core import UsageError, set_language
from thalweg.report import surface_figure
from thalweg.report.surface_figure import draw_race
from thalweg.surface import race

RULES = ["sgd(lr=0.02)", "sgd(lr=0.02, momentum=0.9)", "adam(lr=0.1)"]


@pytest.fixture(autouse=True)
def english():
    set_language("en")
    yield
    set_language(None)


def words(figure):
    found = []
    for axes in figure.axes:
        found += [axes.get_xlabel(), axes.get_ylabel()]
        found += [text.get_text() for text in axes.get_legend().get_texts()]
    return found


def shown(figure):
    """Return the picture as an array (height, width, 4)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


@pytest.mark.parametrize("name", ["bowl", "monkey-saddle", "beale", "rastrigin", "7", "log(x) + y^2", "1/(x-y)"])
def test_surfaces_of_every_shape_can_be_drawn(name):
    figure = draw_race(race(name, RULES, steps=12), title=f"{name} $")
    assert isinstance(figure, Figure) and len(figure.axes) == 2
    assert any(text.startswith("sgd(lr=0.02)  ") for text in words(figure))


def test_trails_are_the_paths_and_marks_the_landmarks():
    paths = race("two-weights", RULES, (-1.0, 0.8), steps=40)
    figure = draw_race(paths)
    land, curves = figure.axes
    lines = [line.get_xydata() for line in land.get_lines() if len(line.get_xydata()) > 1]
    for line, path in zip(lines, paths.values(), strict=True):
        np.testing.assert_allclose(line, path.points.numpy())
    ends = [tuple(line.get_xydata()[0]) for line in land.get_lines() if len(line.get_xydata()) == 1]
    assert ends == [path.end for path in paths.values()]
    assert [text.get_text() for text in land.get_legend().get_texts()] == ["minimum", "saddle", "start"]
    start = next(c for c in land.collections if c.get_label() == "start")
    np.testing.assert_allclose(start.get_offsets(), [(-1.0, 0.8)])
    assert curves.get_yscale() == "log"
    for line, path in zip(curves.get_lines(), paths.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), path.losses.numpy())
    image = shown(figure)
    assert image.shape == (560, 1200, 4) and image[..., :3].std() > 20


def test_colours_are_of_the_palette_and_marks_differ():
    paths = race("bowl", [f"sgd(lr={lr})" for lr in (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07)], steps=5)
    lines = draw_race(paths).axes[1].get_lines()
    assert len({line.get_color() for line in lines}) == len({line.get_marker() for line in lines}) == 7


def test_a_lost_path_is_told_and_does_not_cover_the_map():
    paths = race("rosenbrock", ["sgd(lr=0.05)", "adam(lr=0.1)"], steps=60)
    figure = draw_race(paths)
    assert f"sgd(lr=0.05)  lost at step {paths['sgd(lr=0.05)'].steps + 1}" in words(figure)
    land = figure.axes[0]
    assert land.get_xlim()[1] - land.get_xlim()[0] <= 4.0 * 1.9
    lost = next(line.get_xydata() for line in land.get_lines())
    assert len(lost) < 60 and np.isfinite(lost).all()


def test_a_surface_without_a_floor_is_drawn_on_a_plain_axis():
    assert draw_race(race("saddle", RULES, steps=20)).axes[1].get_yscale() == "linear"


def test_the_picture_speaks_chinese_where_a_font_does(monkeypatch):
    set_language("zh")
    monkeypatch.setattr(surface_figure, "chinese_font", lambda: "Noto Sans CJK SC")
    assert {"起点", "极小值点", "步", "损失"} <= set(words(draw_race(race("bowl", RULES, steps=3))))
    monkeypatch.setattr(surface_figure, "chinese_font", lambda: None)
    assert {"start", "minimum", "step", "loss"} <= set(words(draw_race(race("bowl", RULES, steps=3))))


def test_no_paths_are_refused():
    with pytest.raises(UsageError, match=r"`draw_race\(paths=...\)` needs one path or more"):
        draw_race({})
