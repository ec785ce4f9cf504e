"""The noise estimate and its bound."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from thalweg.findings import noise
from thalweg.findings.noise import Noise, steadiest, times, unit, whole_fall

_spec = importlib.util.spec_from_file_location("traces", Path(__file__).with_name("traces.py"))
traces = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(traces)


def test_sigma_is_that_of_the_noise_whatever_the_trend():
    rng = np.random.default_rng(0)
    white = 0.3 * rng.normal(size=20_000)
    for trend in (0.0, np.linspace(0, 900, 20_000)):
        assert abs(Noise(white + trend).sigma - 0.3) < 0.01
    assert Noise(np.linspace(5, 1, 30)).sigma < 1e-12


def test_too_short_a_curve_bounds_nothing():
    assert Noise(np.array([1.0, 2.0])).bound(1, 3) == math.inf
    assert Noise(np.array([])).bound(1, 1) == math.inf


@pytest.mark.parametrize("freedom", [3.0, 8.0, 25.0, 400.0])
@pytest.mark.parametrize("chance", [0.05, 0.01, 0.0002])
def test_student(freedom, chance):
    ours = noise._student(stats.norm.isf(chance), freedom)
    assert -0.01 < ours / stats.t.isf(chance, freedom) - 1 < 0.15  # farther out it is a little on the careful side


@pytest.mark.parametrize(
    ("count", "first", "last", "looks"), [(50, 1, 3, 50), (12, 1, 3, 12), (30, 6, 6, 1), (9, 3, 3, 1)]
)
def test_noise_crosses_the_bound_once_in_a_hundred(count, first, last, looks):
    rng = np.random.default_rng(1)
    crossed = 0
    for _ in range(2000):
        curve = rng.normal(size=count)
        begin = curve.min() if looks > 1 else np.median(curve[-first - last : -last])
        crossed += (
            abs(np.median(curve[-last:]) - begin) > Noise(curve).bound(first, last, looks=looks)
            and begin < curve[-last:].mean()
        )
    assert crossed <= 2 * 20


def test_the_bend_of_the_way_down_does_not_hide_a_clear_rise():
    curve = np.array([2.3, 1.0, 0.6, 0.5, 0.55, 0.65, 0.75, 0.85, 0.95, 1.05])
    found, bound = steadiest(curve, 3, looks=10)
    assert bound < 0.45 < Noise(curve[1:]).bound(1, 3, looks=10) and found.sigma == Noise(curve[3:]).sigma


def test_units():
    assert unit(0.5, 0.1, 3.0) == 0.5
    assert unit(0.5, -0.1, 3.0) == 3.0
    assert times(2.0, Noise(np.array([0.0, 1.0, 0.0, 1.0]))) == f"{2 / math.sqrt(4 / 6):.2g}"
    assert times(2.0, Noise(np.zeros(9))) == "> 1000"


def test_the_whole_fall_begins_before_training(tmp_path):
    trace = traces.make_trace(tmp_path, validation=[1.0], losses=[9.0, 2.3, 2.2, math.nan, 2.4, 0.1])
    assert whole_fall(trace, 1.0, 0.5) == pytest.approx(2.35 - 0.5)
    assert whole_fall(trace, 5.0, 0.5) == pytest.approx(4.5)
    trace.close()
    trace = traces.make_trace(tmp_path / "b", losses=[], validation=[1.0])
    assert whole_fall(trace, 1.0, 0.25) == 0.75
    trace.close()
