"""`thalweg schedule show` and `thalweg schedule plot`, and the figure."""

import json

import matplotlib
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from thalweg.cli import front
from thalweg.cli.front import VERBS
from thalweg.core import set_language
from thalweg.core.columns import width_of
from thalweg.report.schedule_figure import curve, plot_schedules
from thalweg.schedules import SCHEDULES, ByHand, Constant, Cosine, Plateau, Product, Staircase, Warmup, progress

verbs = pytest.mark.skipif("schedule" not in VERBS, reason="the front page does not name the verb yet")
NESTED = "sequence(parts=[warmup(length=5, unit=epochs), product(parts=[cosine, plateau])])"
REQUIRED = {
    "by-hand": "by-hand(points=[[0, 1], [0.5, 0.1]])",
    "sequence": "sequence(parts=[warmup, cosine])",
    "product": "product(parts=[warmup, plateau])",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    set_language("en")
    yield tmp_path
    set_language(None)


def call(*args):
    return CliRunner().invoke(front, ["schedule", *args])


def run(per_epoch=10, epochs=3):
    return progress(torch.zeros(()), steps_per_epoch=per_epoch, num_steps=per_epoch * epochs, batch_size=4)


@verbs
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("text", [*(REQUIRED.get(name, name) for name in SCHEDULES), NESTED])
def test_show_fits_80_columns(text, lang):
    result = call("show", text, "--lang", lang, "--lr", "0.003")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert max(map(width_of, lines)) <= 80 and sum("█" in line for line in lines) >= 7
    assert ("validation" in result.stdout or "验证" in result.stdout) == ("plateau" in text)


@verbs
@pytest.mark.parametrize("verb", ["show", "plot"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_help_fits_80_columns(verb, lang):
    for args in ([verb, "--help"], ["--help"]):
        lines = call(*args, "--lang", lang).output.splitlines()
        assert len(lines) > 8
        assert [line for line in lines if width_of(line) > 80 and not line.startswith("    thalweg ")] == []


@verbs
def test_show_says_what_the_schedule_says():
    result = call("show", "linear", "--epochs", "2", "--steps-per-epoch", "50", "--lr", "0.5", "--json")
    [record] = json.loads(result.stdout)["schedules"]
    assert record["schedule"]["kind"] == "linear"
    assert [row["step"] for row in record["moments"]] == [*range(0, 100, 10), 99]
    for row in record["moments"]:
        assert row["epoch"] == row["step"] / 50
        np.testing.assert_allclose([row["factor"], row["lr"]], [1 - row["step"] / 100, 0.5 - row["step"] / 200])
    quiet = call("show", "linear", "--epochs", "2", "--steps-per-epoch", "50", "-q").stdout.split()
    assert quiet[:4] == ["0", "1", "10", "0.9"]


@verbs
@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["show", "cosin"], "Unknown schedule 'cosin': did you mean 'cosine'?"),
        (["show", "warmup(length=50, unit=epochs)"], "must fit into the run (30 epochs), got 50 epochs"),
        (["plot", "cosine", "--out", "x.txt"], "`--out` must end in .png, .svg, .pdf, got 'x.txt'."),
        (["plot", "cosine(flor=1)"], "did you mean 'floor'?"),
        (["show"], "Missing argument"),
    ],
)
def test_bad_input_is_one_sentence(args, words, folder):
    result = call(*args)
    said = result.stderr.strip()
    assert result.exit_code == 2 and words in said and len(said.splitlines()) == 1
    assert list(folder.iterdir()) == []


@verbs
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_plot_writes_one_picture_of_several(folder, lang):
    result = call("plot", "cosine", NESTED, "--log", "--out", "all.png", "--lang", lang)
    assert result.exit_code == 0, result.stderr
    assert (folder / "all.png").read_bytes().startswith(b"\x89PNG") and "all.png" in result.stdout
    assert call("plot", "cosine", "-q").stdout == "schedule.png\n" and (folder / "schedule.png").exists()


def test_the_figure_draws_what_the_schedules_say():
    schedules = {"a": Staircase(), "a long one, of which the name takes much room": Product(parts=(Warmup(), Cosine()))}
    figure = plot_schedules(schedules, run(100, 3), lr=0.1)
    [axes] = figure.axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(schedules)
    for line, schedule in zip(axes.lines, schedules.values(), strict=True):
        at = progress(torch.arange(300), steps_per_epoch=100, num_steps=300)
        np.testing.assert_allclose(line.get_ydata()[:-1], 0.1 * schedule.factor(at).numpy())
        np.testing.assert_allclose(line.get_xdata()[:-1], np.arange(300) / 100)
    assert axes.get_title(loc="left") == "Learning rate" and axes.get_xlim() == (0, 3)


def test_the_curve_holds_to_the_end_and_is_thinned():
    epochs, factors = curve(ByHand(points=((0, 1), (2, 0.5)), unit="epochs"), run(10, 3))
    assert epochs.tolist() == [*(k / 10 for k in range(30)), 3.0] and factors[-2:].tolist() == [0.5, 0.5]
    epochs, factors = curve(Constant(), run(1000, 1000), most=500)
    assert len(epochs) == 501 and epochs[-1] == 1000 and (factors == 1).all()


def test_a_plateau_is_drawn_with_what_was_seen():
    seen = {"loss": [(10 * k, 1.0) for k in range(1, 4)]}
    seen_run = progress(torch.zeros(()), steps_per_epoch=10, num_steps=40, seen=seen)
    _, factors = curve(Plateau(patience=1, gamma=0.5), seen_run)
    assert factors.tolist() == [1.0] * 30 + [0.5] * 11


def test_figures_touch_nothing_global():
    before = dict(matplotlib.rcParams)
    plot_schedules({"cosine": Cosine()}, run(), lr=1.0, log=True)
    assert dict(matplotlib.rcParams) == before
