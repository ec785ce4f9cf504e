"""Divergence, a rate that went away and a run cut short, read from the losses alone."""

import dataclasses
from typing import ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.diagnosis import curves
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Picture, Severity
from thalweg.findings.parts import extremes

_FEWEST = 20  # steps
_POINTS = 60  # of a picture


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CurveAlone(CaseCheck):
    """Find what a curve shows by itself, for steps that cannot be taken again; less is said, and less surely.

    Games of two optimizers, whose losses need not fall, are left out.
    """

    name: ClassVar[str] = "curve-alone"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if facts.bench is not None or facts.course is None or facts.learnt or len(facts.loss) < _FEWEST:
            return []
        if sum(course.steps > 0 for course in case.courses) != 1:
            return []
        return self._diverged(facts) or self._stranded(facts) or self._cut_short(facts)

    def _diverged(self, facts: Facts) -> list[Finding]:
        told = curves.divergence(facts.loss)
        if told is None or told.lost is None or not told.lost.climbed or facts.case.broken is None:
            return []
        return [self._say(facts, "lr-too-high", Severity.CRITICAL, 0.7, "diverged", told.lost.step)]

    def _stranded(self, facts: Facts) -> list[Finding]:
        told = curves.starvation(facts.loss, facts.rate)
        if told is None or not told.stranded:
            return []
        return [self._say(facts, "schedule-misstepped", Severity.WARNING, 0.65, "stranded", None)]

    def _cut_short(self, facts: Facts) -> list[Finding]:
        told = curves.outlook(facts.loss, facts.rate)
        if told is None or not told.large or told.annealed:
            return []
        return [self._say(facts, "stopped-too-early", Severity.WARNING, 0.65, "cut-short", None)]

    def _say(
        self, facts: Facts, code: str, severity: Severity, confidence: float, said: str, step: int | None
    ) -> Finding:
        course = facts.course
        assert course is not None
        rate = f"{np.nanmax(facts.rate):.3g}" if len(facts.rate) else "?"
        return found(
            code,
            severity,
            confidence,
            place=course.place,
            where={"step": step},
            said=said,
            values={"rate": rate, "steps": len(facts.loss)},
            picture=Picture(
                what=message("evidence.loss_curve"), values=tuple(facts.loss[extremes(facts.loss, _POINTS)].tolist())
            ),
            evidence=[seen("loss_start", facts.start), seen("loss_end", facts.end)],
            reckoned=message("causes.from_curve_alone"),
        )
