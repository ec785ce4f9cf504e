import io
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from thalweg.cli.health import health
from thalweg.cli.pages import width_of
from thalweg.core import Outcome, set_language
from thalweg.data import open_source
from thalweg.model import mlp

display = import_module("thalweg.cli.display")
train = import_module("thalweg.train")
Pulse = import_module("thalweg.cli.pulse").Pulse


@pytest.fixture
def job() -> Any:
    return train.make_job(train.Recipe(data=open_source("iris"), model=mlp(8), epochs=100))


def feed(pulse: Any, losses: list[float], **rest: Any) -> None:
    for loss in losses:
        pulse.job.state.step += 1
        row = train.Row(pulse.job.state.step - 1, 0.0, loss, 1e-3, 0.2, 12.0)
        pulse.see(train.Snapshot((row,), Outcome.RUNNING, None, **rest))


def noisy(level: np.ndarray | float, spread: float, count: int = 200) -> list[float]:
    return list(level + spread * np.random.default_rng(0).normal(size=count))


@pytest.mark.parametrize(
    "word, losses, start, lowest",
    [
        ("starting", [1.0] * 20, 1.0, 1.0),
        ("lost", [*[1.0] * 100, float("nan")], 1.0, 1.0),
        ("flat", noisy(1.0, 0.05), 1.0, 1.0),
        ("noisy", noisy(1.0, 0.8), 1.0, 0.9),
        ("ok", noisy(np.linspace(1, 0.5, 200), 0.1), 1.0, 0.7),
        ("ok", noisy(0.01, 0.002), 1.0, 0.01),
        ("rising", noisy(np.linspace(0.5, 0.8, 200), 0.05), 1.0, 0.5),
        ("diverging", noisy(np.linspace(0.5, 3, 200), 0.05), 1.0, 0.4),
        ("rising", noisy(np.linspace(0.01, 0.03, 200), 0.001), 1.0, 0.01),
    ],
)
def test_the_word_of_health(word: str, losses: list[float], start: float, lowest: float) -> None:
    assert health(losses, start=start, lowest=lowest) == word


def test_nothing_is_known_before_the_first_step(job: Any) -> None:
    assert Pulse(job).read() is None


def test_what_a_reading_holds(job: Any) -> None:
    pulse = Pulse(job)
    feed(pulse, [2.0] * 60 + [1.0] * 60)
    feed(pulse, [1.0], evaluation={"validation": {"accuracy": 0.9, "loss": 0.3}})
    feed(pulse, [1.0], evaluation={"validation": {"accuracy": 0.8, "loss": 0.2}})
    reading = pulse.read()
    assert (reading.step, reading.loss, reading.value, reading.best) == (122, 1.0, 0.8, 0.9)
    assert reading.metric == "accuracy" and reading.best_epoch == pytest.approx(121 / job.steps_per_epoch)
    assert reading.curve[0] == 2.0 and reading.curve[-1] == 1.0 and reading.left > 0


def test_the_curve_spans_the_whole_run_however_long(job: Any) -> None:
    pulse = Pulse(job)
    for level in np.linspace(5, 1, 40):
        feed(pulse, [float(level)] * 500)
        reading = pulse.read()
    assert len(reading.curve) < 100
    assert reading.curve[0] > 4.5 and reading.curve[-1] < 1.2


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("width", [80, 120])
def test_the_picture_fits_the_terminal(job: Any, lang: str, width: int) -> None:
    set_language(lang)
    pulse = Pulse(job)
    feed(pulse, noisy(np.linspace(1.2345, 0.0012345, 300), 1e-4, 300))
    feed(pulse, [0.001], evaluation={"validation": {"accuracy": 0.98765, "loss": 0.3}})
    lines = display.picture(pulse.read(), width).plain.split("\n")
    assert len(lines) == 3 and all(width_of(line) <= width for line in lines), lines
    line = display.plain_line(pulse.read())
    assert "\n" not in line and "0.9877" in line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_displaying_costs_little(job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    moving = display.Moving(Pulse(job))
    row = train.Row(1, 0.0, 1.0, 1e-3, 0.2, 12.0)
    snapshot = train.Snapshot((row,), Outcome.RUNNING, None)
    drawn = 0.0
    draw = moving.draw

    def timed() -> None:
        nonlocal drawn
        start = time.perf_counter()
        draw()
        drawn += time.perf_counter() - start

    monkeypatch.setattr(moving, "draw", timed)
    seen, begin = 0.0, time.perf_counter()
    count = 0
    while time.perf_counter() < begin + 1.0:
        end = time.perf_counter() + 1e-4  # a step of 100 µs
        while time.perf_counter() < end:
            pass
        start = time.perf_counter()
        moving.see(snapshot)
        seen += time.perf_counter() - start
        count += 1
    moving._live.stop()
    assert drawn < 0.02 * 1.0
    assert (seen - drawn) / count < 5e-6


def test_plain_lines_come_seldom(job: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "LINE_EVERY", 0.2)
    lines = display.Lines(Pulse(job))
    begin = time.perf_counter()
    while time.perf_counter() < begin + 0.5:
        feed(lines._pulse, [])
        lines.see(train.Snapshot((train.Row(1, 0.0, 1.0, 1e-3, 0.2, 12.0),), Outcome.RUNNING, None))
    lines.close()
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 3 and "\r" not in said and "\x1b" not in said


@pytest.mark.parametrize(
    "seconds, text", [(7.9, "0:07"), (754, "12:34"), (10921, "3:02:01"), (float("nan"), "?"), (-1, "?")]
)
def test_clock(seconds: float, text: str) -> None:
    assert display.clock(seconds) == text


@pytest.mark.parametrize("number, text", [(3.14159, "3.1"), (2931, "2931"), (187_400, "187k"), (2.41e6, "2.41M")])
def test_short(number: float, text: str) -> None:
    assert display.short(number) == text
