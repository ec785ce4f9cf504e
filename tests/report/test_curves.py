"""Long series are thinned without losing a spike; smoothing is unbiased."""

import numpy as np
import pytest

from thalweg.report import sparkline
from thalweg.report.curves import smooth, thin
from thalweg.report.page.axis import Axis, spanning, tick_label


def test_thinning_keeps_spikes_and_ends():
    values = np.sin(np.arange(1e5) / 500)
    values[70_001], values[70_002] = 9.0, -9.0
    series = thin(np.arange(1e5), values)
    assert len(series) <= 1802
    assert series.values.max() == 9.0 and series.values.min() == -9.0
    assert series.steps[0] == 0 and series.steps[-1] == 99_999 and (np.diff(series.steps) > 0).all()


def test_thinning_keeps_gaps():
    values = np.ones(10_000)
    values[5000:6000] = np.nan
    series = thin(np.arange(10_000.0), values)
    assert np.isnan(series.values).sum() > 10


def test_smoothing_a_constant_gives_it_back():
    assert smooth(np.full(50, 3.0)) == pytest.approx(np.full(50, 3.0))


def test_smoothing_begins_at_the_first_value_and_skips_what_is_lost():
    smoothed = smooth(np.array([4.0, np.nan, 2.0, 2.0]))
    assert smoothed[0] == 4.0 and np.isnan(smoothed[1]) and 2 <= smoothed[3] < smoothed[2] < 4


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e9), (0.99, 1.01), (3.0, 3.0), (2e-5, 7e-5), (1.0, 30.0)])
def test_ticks_lie_within_and_are_few(low, high, log):
    axis = spanning([np.array([low, high])], log=log)
    ticks = axis.ticks(5)
    assert 2 <= len(ticks) <= 7
    assert all(axis.low <= tick <= axis.high for tick in ticks)
    assert all(tick_label(tick) for tick in ticks)


def test_an_axis_of_nothing():
    assert spanning([np.array([np.nan])]) == Axis(0.0, 1.0)
    assert spanning([np.array([-1.0])], log=True) == Axis(0.1, 1.0, log=True)


def test_sparkline():
    assert sparkline([1, 2, 3, 4, 5, 6, 7, 8], 8) == "▁▂▃▄▅▆▇█"
    assert len(sparkline(range(1000), 20)) == 20
    assert sparkline([1.0, float("nan"), 2.0], 10) == "▁ █"
    assert sparkline([], 10) == "" and sparkline([5.0, 5.0], 5) == "▅▅"
    assert sparkline([float("inf")], 3) == " "
