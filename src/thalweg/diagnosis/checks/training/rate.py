"""A rate that is too high or too low, told apart by trying others."""

import dataclasses
import math
from typing import Any, ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS, Trial
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found
from thalweg.diagnosis.checks.training.judged import FAR, Judged, judged, note
from thalweg.diagnosis.checks.training.telling import (
    SYMPTOMS,
    as_tried,
    compared,
    loss_picture,
    mended,
    reckoned,
    sureness,
)
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

DOWN, UP = (0.1, 0.01), (10.0, 100.0, 1000.0)  # times the rate
_NEARLY = 1.5  # times the loss at the best rate
_SURE = 0.9  # at most: that a rate is too low looks like much else


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LrTooHigh(CaseCheck):
    """Find a rate at which training breaks or stays high, where a tenth or a hundredth of it learns."""

    name: ClassVar[str] = "lr-too-high"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None:
            return []
        factor, trial = _least_change(bar, DOWN)
        if bar.blew_up:  # late, or a short training would not have come further
            holds = trial.beats(bar.level, share=FAR)
        else:
            holds = bar.helps(trial) and not bar.plain.beats(bar.level, share=FAR)
        note(facts, self.name, message("causes.tried_rate", times=f"{factor:g}"), trial.aside, bar.level, holds)
        if not holds:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                sureness(bar, trial),
                **_at_another(facts, factor),
                evidence=compared(bar, trial),
                tried=as_tried(bar, trial),
                said="blew-up" if bar.blew_up else "",
                values=_rates(facts, factor),
                reckoned=reckoned(bar, trial),
                picture=loss_picture(facts),
                explains=(*SYMPTOMS, "unscaled-inputs", "unscaled-targets", "over-regularized"),
            )
        ]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LrTooLow(CaseCheck):
    """Find a rate so small that the whole run falls less than a few steps at a larger one."""

    name: ClassVar[str] = "lr-too-low"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or len(facts.loss) < STEPS / 2:
            return []
        if bar.lost or bar.plain.beats(bar.level, share=FAR):
            return []
        if bar.going_on(len(facts.loss)).beats(bar.level, share=FAR):
            return []  # it was on its way
        factor, trial = _best_rate(bar, UP)
        holds = bar.helps(trial)
        note(facts, self.name, message("causes.tried_rate", times=f"{factor:g}"), trial.aside, bar.level, holds)
        if not holds:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                min(_SURE, sureness(bar, trial)),
                **_at_another(facts, factor),
                evidence=compared(bar, trial),
                tried=as_tried(bar, trial),
                values=_rates(facts, factor),
                reckoned=reckoned(bar, trial),
                picture=loss_picture(facts),
                explains=SYMPTOMS,
            )
        ]


def at_rate(bar: Judged, factor: float) -> Trial:
    """Return what came of training at a multiple of the rate."""
    return bar.bench.trial(f"rate x{factor:g}", rate=factor)


def _least_change(bar: Judged, factors: tuple[float, ...]) -> tuple[float, Trial]:
    """Return the first rate that is nearly as good as the best."""
    best = _best_rate(bar, factors)
    trials = ((factor, at_rate(bar, factor)) for factor in factors)
    return next(((factor, trial) for factor, trial in trials if trial.aside <= _NEARLY * best[1].aside), best)


def _best_rate(bar: Judged, factors: tuple[float, ...]) -> tuple[float, Trial]:
    trials = [(factor, at_rate(bar, factor)) for factor in factors]
    return min(trials, key=lambda pair: pair[1].aside if math.isfinite(pair[1].aside) else math.inf)


def _at_another(facts: Facts, factor: float) -> dict[str, Any]:
    """Return place and change of another rate; no change where groups or a schedule have rates of their own."""
    course = facts.course
    rates = {group.get("lr") for group in course.first_settings} if course is not None else set()
    rate = rates.pop() if len(rates) == 1 else None
    if rate is None or not np.allclose(np.nanmax(facts.rate, initial=0.0), rate):
        return {"place": course.place if course is not None else None}
    return mended(facts, "lr", rate, rate * factor)


def _rates(facts: Facts, factor: float) -> dict[str, str]:
    lr = float(np.nanmax(facts.rate)) if len(facts.rate) else math.nan
    return {"lr": f"{lr:.3g}", "better": f"{lr * factor:.3g}"}
