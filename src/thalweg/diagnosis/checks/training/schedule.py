"""A schedule that is stepped too often or too seldom, told by training at the rate that it was set up for."""

import dataclasses
from typing import ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, Judged, judged, note
from thalweg.diagnosis.checks.training.telling import SYMPTOMS, compared, reckoned, thinned
from thalweg.diagnosis.facts import Array, Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Picture, Severity

_GONE = 1e-2  # of its largest value: a rate that has practically gone
_LONG_GONE = 0.4  # of the run without a rate
_SWINGS = 4  # times that the rate came back from nothing
_FEWEST = 8  # steps


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleMisstepped(CaseCheck):
    """Find a schedule that took the rate away, or never gave it, where the rate itself would have served."""

    name: ClassVar[str] = "schedule-misstepped"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        rate = facts.rate[np.isfinite(facts.rate)]
        if bar is None or len(rate) < _FEWEST or rate.max() <= 0:
            return []
        meant = _meant(facts)
        if rate.max() < 0.5 * meant and facts.course is not None:
            return self._never_reached(case, facts, bar, meant)
        return self._gone(case, facts, bar, rate)

    def _gone(self, case: Case, facts: Facts, bar: Judged, rate: Array) -> list[Finding]:
        """Look for a rate that goes long before the end, or comes and goes, where a constant one learns."""
        gone = float(np.mean(rate < _GONE * rate.max()))
        if gone < _LONG_GONE and _swings(rate) < _SWINGS:
            return []
        if not bar.plain.beats(bar.level, share=FAR) or len(rate) < STEPS / 2:
            return []
        note(facts, self.name, "constant-rate", bar.plain.aside, bar.level, True)
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.93,
                place=_stepped(case, facts),
                evidence=[seen("rate_gone", gone, f"< {_LONG_GONE:g}"), *compared(bar, bar.plain)],
                picture=Picture(what=message("evidence.rate_curve"), values=thinned(rate), log=True),
                values={"percent": f"{100 * gone:.0f}", "rate": f"{rate.max():.3g}"},
                reckoned=reckoned(bar, bar.plain),
                explains=("lr-too-low", "optimizer-settings", *SYMPTOMS),
            )
        ]

    def _never_reached(self, case: Case, facts: Facts, bar: Judged, meant: float) -> list[Finding]:
        """Look for a warm-up that a run is too short for, as when it is counted in epochs and meant in batches."""
        first = float(facts.course.first_settings[0].get("lr") or 0) if facts.course else 0.0
        if not first:
            return []
        trial = bar.bench.trial("rate meant", rate=meant / first)
        holds = bar.helps(trial)
        told, reached = f"{meant:.3g}", float(np.nanmax(facts.rate))
        note(facts, self.name, message("causes.tried_rate-meant", rate=told), trial.aside, bar.level, holds)
        if not holds:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.92,
                place=_stepped(case, facts),
                evidence=[seen("rate_reached", reached, told), *compared(bar, trial)],
                said="never-reached",
                values={"rate": told, "reached": f"{reached:.3g}"},
                reckoned=reckoned(bar, trial),
                explains=("lr-too-low", "lr-too-high", "optimizer-settings", *SYMPTOMS),
            )
        ]


def _meant(facts: Facts) -> float:
    """Return the largest rate that a schedule was set up to give: what it wrote into the optimizer's groups."""
    optimizer = facts.course.optimizer if facts.course else None
    groups = optimizer.param_groups if optimizer is not None else []
    told = [float(group.get(key, 0.0) or 0.0) for group in groups[:1] for key in ("initial_lr", "max_lr")]
    return max(told, default=0.0)


def _swings(rate: Array) -> int:
    """Return how often the rate came back from practically nothing."""
    low = rate < _GONE * rate.max()
    return int(np.sum(low[:-1] & ~low[1:]))


def _stepped(case: Case, facts: Facts) -> Place | None:
    """Return the line that steps the schedule, else the one that makes the optimizer."""
    for entry in case.notes:
        if entry.kind == "schedule" and entry.data and entry.data[1]:
            return next((place for _, place in reversed(entry.data[1]) if place is not None), entry.place)
    return facts.course.place if facts.course else None
