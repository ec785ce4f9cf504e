"""Overfitting: a sick curve, the same healthy, near misses, and no alarm where only noise moves."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from thalweg.findings import Overfitting, Severity

_spec = importlib.util.spec_from_file_location("traces", Path(__file__).with_name("traces.py"))
traces = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(traces)
falling = traces.falling

DOWN = falling(40, floor=0.0)


def look(path, **curves):
    trace = traces.make_trace(path, **curves)
    found = Overfitting().look(trace)
    trace.close()
    return found


def v_shape(count=40, lowest=12, low=0.5, slope=0.02):
    """Fall to `low`, then rise by `slope` an evaluation."""
    left = np.linspace(2.0, low, lowest + 1)
    return np.concatenate([left, low + slope * np.arange(1, count - lowest)])


def test_sick(tmp_path):
    [found] = look(tmp_path, validation=v_shape(), training=DOWN, epochs=2.0)
    assert (found.code, found.category, found.severity) == ("overfitting", "generalization", Severity.WARNING)
    assert found.where.step == 130 and "epoch 26" in found.cause.text("en")
    values = [evidence.value for evidence in found.evidence]
    np.testing.assert_allclose(values, [0.5, np.median(v_shape()[-3:]), DOWN[12] - np.median(DOWN[-3:])])
    assert 0.6 < found.confidence <= 0.95


def test_noisy_but_sick(tmp_path):
    rng = np.random.default_rng(0)
    noisy = [v_shape() + 0.03 * rng.normal(size=40) for _ in range(20)]
    assert all(look(tmp_path / str(k), validation=curve, training=DOWN) for k, curve in enumerate(noisy))


def test_a_note_where_the_best_weights_came_back(tmp_path):
    [found] = look(tmp_path, validation=v_shape(), training=DOWN, restored=True)
    assert found.severity is Severity.NOTE and "given back" in found.remedy.text("en")


def test_short_runs_with_a_clear_curve(tmp_path):
    curve = [2.3, 1.0, 0.6, 0.5, 0.55, 0.65, 0.75, 0.85, 0.95, 1.05]
    [found] = look(tmp_path, validation=curve, training=falling(10, floor=0.0, share=0.4))
    assert found.where.step == 40


@pytest.mark.parametrize(
    ("name", "validation", "training"),
    [
        ("healthy", falling(40), DOWN),
        ("a level end", np.maximum(falling(40, share=0.4), 0.31), DOWN),
        ("rises by less than a tenth", v_shape(slope=0.0015), DOWN),
        ("training rises too", v_shape(), v_shape(low=0.1)),
        ("training stands still", v_shape(), np.full(40, 0.4)),
        ("rises and comes back", np.concatenate([v_shape(30), np.linspace(0.8, 0.5, 10)]), DOWN),
        ("one bad evaluation at the end", np.append(falling(39), 3.0), DOWN),
        ("lowest at the end", np.linspace(2, 0.1, 40), DOWN),
        ("too few evaluations", [1.0, 0.5, 0.8, 1.1], falling(4, floor=0.0)),
        ("no validation", [], DOWN),
        ("no training", v_shape(), []),
        ("validation was lost", np.append(v_shape(39), math.nan), DOWN),
        ("training was lost", v_shape(), np.append(DOWN[:-3], [math.nan] * 3)),
        ("almost nothing, then more", np.append(falling(20, floor=1e-6, share=0.6), [2e-5] * 20), DOWN),
        ("negative, rises by little of its fall", v_shape(low=-3.0, slope=0.01), falling(40, floor=-4.0)),
        ("near zero and negative", v_shape(low=-0.01, slope=0.001), falling(40, floor=-4.0)),
    ],
)  # fmt: skip
def test_healthy_and_near_misses(tmp_path, name, validation, training):
    assert look(tmp_path, validation=validation, training=training) == []


def test_negative_losses(tmp_path):
    """A log-likelihood below zero: what counts is the share of the fall that is lost again."""
    [found] = look(tmp_path, validation=v_shape(low=-3.0, slope=0.05), training=falling(40, floor=-4.0))
    assert found.evidence[0].value == -3.0
    [found] = look(tmp_path / "b", validation=v_shape(low=-3.0, slope=0.2), training=falling(40, floor=-4.0))
    assert found.evidence[1].value > 0 > found.evidence[0].value


def plateau(rng, count, noise):
    return 1 + noise * rng.normal(size=count)


def twenty_examples(rng, count, noise):
    """The mean of 20 losses that each jump by a factor, as those of 20 examples do."""
    return np.exp(noise * rng.normal(size=(count, 20)) * 2).mean(axis=1)


def settled(rng, count, noise):
    return falling(count, share=0.4) * (1 + noise * rng.normal(size=count))


@pytest.mark.parametrize("make", [plateau, twenty_examples, settled])
@pytest.mark.parametrize(("count", "noise"), [(6, 0.3), (10, 0.1), (50, 0.1)])
def test_noise_alone_is_no_finding(make, count, noise):
    """The criterion is set for one level curve in a hundred."""
    rng = np.random.default_rng(count)
    false = sum(
        bool(Overfitting().look(traces.Curves(make(rng, count, noise), falling(count, floor=0.0)))) for _ in range(200)
    )
    assert false <= 4
