"""Still improving at the end: a sick curve, the same healthy, near misses, and what a schedule does."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from thalweg.core import Outcome
from thalweg.findings import Severity, StillImproving
from thalweg.schedules import InverseTime, WarmupCosine, progress

_spec = importlib.util.spec_from_file_location("traces", Path(__file__).with_name("traces.py"))
traces = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(traces)
falling = traces.falling

STEEP = np.linspace(2.3, 0.6, 30)


def look(path, curve, **more):
    trace = traces.make_trace(path, validation=curve, training=curve, **more)
    found = StillImproving().look(trace)
    trace.close()
    return found


@pytest.mark.parametrize("outcome", [Outcome.FINISHED, Outcome.BUDGET])
def test_sick(tmp_path, outcome):
    [found] = look(tmp_path, STEEP, outcome=outcome)
    assert (found.code, found.category, found.severity) == ("stopped-too-early", "rate", Severity.WARNING)
    before, now = np.median(STEEP[-12:-6]), np.median(STEEP[-6:])
    np.testing.assert_allclose(found.evidence[0].value, (before - now) / before)
    assert f"{100 * (before - now) / before:.0f} %" in found.cause.text("en") and found.where.step == 300
    assert 0.5 < found.confidence <= 0.9


def test_a_little_is_a_note(tmp_path):
    [found] = look(tmp_path, np.linspace(2.3, 1.5, 30))
    assert found.severity is Severity.NOTE and 0.05 <= found.evidence[0].value <= 0.1


def test_without_validation_training_is_looked_at(tmp_path):
    trace = traces.make_trace(tmp_path, training=STEEP)
    assert len(StillImproving().look(trace)) == 1
    trace.close()


def test_noisy_but_sick(tmp_path):
    rng = np.random.default_rng(0)
    assert all(look(tmp_path / str(k), STEEP + 0.03 * rng.normal(size=30)) for k in range(20))


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.FINISHED, Outcome.BUDGET)] + [None])
def test_other_endings_are_not_judged(tmp_path, outcome):
    assert look(tmp_path, STEEP, outcome=outcome) == []


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("healthy", falling(30, share=0.3)),
        ("gains 4 %", np.linspace(2.3, 1.9, 30)),
        ("fell, and stands", np.append(np.linspace(2.3, 0.6, 22), np.full(8, 0.6))),
        ("fell, and rises", np.append(np.linspace(2.3, 0.6, 26), [0.61, 0.62, 0.63, 0.64])),
        ("the lowest was earlier", np.insert(np.linspace(2.3, 0.6, 29), 10, 0.1)),
        ("level", np.full(30, 0.7)),
        ("rising", np.linspace(0.5, 2.3, 30)),
        ("too few evaluations", np.linspace(2.3, 0.6, 4)),
        ("lost at the end", np.append(STEEP[:-1], math.nan)),
        ("converged: falls for ever as 1 / t, from almost nothing", 2.3 / (1 + 3 * np.arange(1, 31))),
        ("zero", np.append(falling(10, floor=0.0), np.zeros(20))),
        ("negative and level", falling(30, floor=-3.0, share=0.3)),
        (
            "crosses zero and gains little of its fall",
            np.append(np.linspace(3, 0.1, 20), np.linspace(0.05, -0.05, 10)),
        ),
        ("nothing", []),
    ],
)
def test_healthy_and_near_misses(tmp_path, name, curve):
    assert look(tmp_path, curve, losses=None if len(curve) else [1.0]) == []


def test_negative_losses(tmp_path):
    [found] = look(tmp_path, np.linspace(1.0, -3.0, 30))
    assert 0.1 < found.evidence[0].value < 0.3


def rates(schedule, count):
    return 0.1 * schedule.factor(progress(torch.arange(count), steps_per_epoch=10, num_steps=count)).numpy()


@pytest.mark.parametrize("schedule", [WarmupCosine(), WarmupCosine(floor=0.1)], ids=str)
def test_what_annealing_gains_at_the_end_is_no_sign(tmp_path, schedule):
    assert look(tmp_path, STEEP, rates=rates(schedule, 300)) == []


@pytest.mark.parametrize("schedule", [InverseTime(decay=0.1), InverseTime(decay=1.0, staircase=True)], ids=str)
def test_a_rate_that_falls_slowly_hides_nothing(tmp_path, schedule):
    assert len(look(tmp_path, STEEP, rates=rates(schedule, 300))) == 1


def test_a_budget_that_cut_the_cosine_short_is_a_sign(tmp_path):
    assert len(look(tmp_path, STEEP, rates=rates(WarmupCosine(), 600)[:300], outcome=Outcome.BUDGET)) == 1


@pytest.mark.parametrize(("count", "noise"), [(5, 0.1), (6, 0.3), (10, 0.1), (50, 0.1), (50, 0.3)])
def test_noise_alone_is_no_finding(count, noise):
    """The criterion is set for one level curve in a hundred."""
    rng = np.random.default_rng(count)
    curves = [1 + noise * rng.normal(size=count) for _ in range(200)]
    assert sum(bool(StillImproving().look(traces.Curves(curve, curve))) for curve in curves) <= 4
