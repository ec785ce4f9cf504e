"""Divergence: driven by the steps, broken at once, and runs that ended otherwise."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from thalweg.core import Outcome
from thalweg.findings import Diverged, Severity

_spec = importlib.util.spec_from_file_location("traces", Path(__file__).with_name("traces.py"))
traces = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(traces)

NAN, INF = math.nan, math.inf


def look(path, losses, outcome=Outcome.DIVERGED, **more):
    trace = traces.make_trace(path, losses=losses, training=[], outcome=outcome, **more)
    found = Diverged().look(trace)
    trace.close()
    return found


@pytest.mark.parametrize("end", [NAN, INF, -INF])
@pytest.mark.parametrize(
    "losses",
    [
        [2.3, 9.0, 1e4],  # within three steps
        list(2.3 * 1.5 ** np.arange(60)),
        [*np.linspace(2.3, 0.3, 200), 0.5, 3.0, 1e3, 1e7],  # after a long good way
        [*(2.3 * 1.02 ** np.arange(400) * (1 + 0.5 * np.sin(np.arange(400))))],  # slowly, to and fro
        [-5.0, -4.0, 1.0, 400.0],
        [0.0, 0.0, 0.0, 1.0, 1e9],
    ],
    ids=["at once", "exponential", "late", "oscillating", "negative", "from zero"],
)  # fmt: skip
def test_driven(tmp_path, losses, end):
    [found] = look(tmp_path, [*losses, end])
    assert (found.code, found.category, found.severity) == ("lr-too-high", "rate", Severity.CRITICAL)
    assert found.where.step == len(losses) and "rule.lr = 0.01" in found.remedy.text("en")
    assert found.evidence[0].value == np.median(losses[:5]) and found.evidence[1].value == max(losses)
    assert found.confidence < 1


@pytest.mark.parametrize(
    "losses",
    [
        [],
        [2.3],
        [2.3, 2.2, 2.1, 2.0],
        [2.3, 2.5, 6.0],  # below three times
        [*np.linspace(2.3, 0.3, 500)],
        [2.3] * 50 + [20.0] + [2.0] * 400,  # a hard batch long before, then broken data
        [1e-9, 0.0, 0.0, 0.0, 0.0],
        [-5.0, -50.0, -1e6],  # falls without end, as a likelihood may
    ],
    ids=[
        "first step",
        "second step",
        "falling",
        "a little",
        "long good way",
        "hard batch",
        "zero",
        "unbounded below",
    ],
)
def test_broken_at_once(tmp_path, losses):
    [found] = look(tmp_path, [*losses, NAN])
    assert (found.code, found.category, found.severity) == ("non-finite", "numerics", Severity.CRITICAL)
    assert found.confidence == 1.0 and found.where.step == len(losses)
    assert str(len(losses)) in found.cause.text("zh")


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.DIVERGED] + [None])
def test_other_endings_are_not_judged(tmp_path, outcome):
    assert look(tmp_path, [2.3, 100.0, NAN], outcome) == []


def test_a_trace_without_the_lost_step_says_nothing(tmp_path):
    assert look(tmp_path, [2.3, 100.0]) == []
    assert look(tmp_path / "empty", []) == []
