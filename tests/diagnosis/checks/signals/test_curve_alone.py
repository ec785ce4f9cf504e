"""What the curve says where a step cannot be taken again."""

import math

import pytest
import torch
from torch import nn

from thalweg.diagnosis.checks.shapes import CurveAlone
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Course


def case(losses, rates=None, *, others=0):
    """Return a case of which nothing is known but its curve."""
    rates = [0.1] * len(losses) if rates is None else rates
    course = Course(optimizer=None, losses=list(losses), rates=[(k, (r,)) for k, r in enumerate(rates)])
    lost = next((k for k, value in enumerate(losses) if not math.isfinite(value)), None)
    broken = None if lost is None else (lost, {})
    return Case(courses=[course, *(Course(optimizer=None, losses=list(losses)) for _ in range(others))], broken=broken)


def told(found):
    facts = Facts(found, budget=600)
    return [(f.code, f.cause.key.removeprefix("causes.")) for f in CurveAlone().look(found, facts)]


FALLING = [3 * 0.985**k for k in range(60)]
LEVEL = [0.2 + 2.8 * 0.9**k for k in range(200)]
CLIMBING = [2.0 * 1.6**k for k in range(24)] + [math.nan] * 6
STRANDED = [2.0 + 0.3 * 0.9**k for k in range(20)] + [2.0 + 1e-4 * (-1) ** k for k in range(80)]
GONE = [0.1] * 20 + [1e-7] * 80


class TestCurveAlone:
    def test_a_curve_that_climbs_and_is_lost(self):
        assert told(case(CLIMBING)) == [("lr-too-high", "diverged")]

    def test_a_rate_that_went_away(self):
        assert told(case(STRANDED, GONE)) == [("schedule-misstepped", "stranded")]

    def test_a_run_cut_short(self):
        assert told(case(FALLING)) == [("stopped-too-early", "cut-short")]

    @pytest.mark.parametrize(
        "losses, rates",
        [
            (LEVEL, None),  # done
            (STRANDED, None),  # level at a rate that stayed
            ([*LEVEL[:100], *LEVEL[99:0:-33], *LEVEL[100:]], None),  # a spike that passed
            (FALLING, [0.1 * (1 - k / 60) ** 2 for k in range(60)]),  # annealed: it would not go on
            (LEVEL, [0.1] * 60 + [1e-7] * 140),  # little was left when the rate went
            ([2.0] * 10 + [math.nan] * 20, None),  # lost without a climb: no rate did that
        ],
    )
    def test_near_misses(self, losses, rates):
        assert told(case(losses, rates)) == []

    def test_less_is_said_than_of_an_experiment(self):
        found = case(CLIMBING)
        (finding,) = CurveAlone().look(found, Facts(found, budget=600))
        assert finding.confidence < 0.75 and finding.reckoned.key == "causes.from_curve_alone"
        assert finding.where.step == 24 and len(finding.picture.values) <= 60

    @pytest.mark.parametrize("found", [case(FALLING[:12]), case(FALLING, others=1)], ids=["too short", "a game of two"])
    def test_silent(self, found):
        assert told(found) == []

    def test_experiments_go_before_curves(self, judge, fit, blobs):
        """A live training whose steps can be taken again is left to them."""
        model = nn.Sequential(nn.Linear(4, 4))
        assert judge(lambda: fit(model, *blobs, steps=30, rate=0.01, rule=torch.optim.Adam)) == []
