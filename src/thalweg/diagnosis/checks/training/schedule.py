"""A schedule that is stepped too often or too seldom, told by training at the rate that it was set up for."""

import dataclasses
import math
from typing import Any, ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, STUCK, Judged, judged, note
from thalweg.diagnosis.checks.training.telling import SYMPTOMS, as_tried, compared, reckoned, thinned
from thalweg.diagnosis.facts import Array, Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Picture, Severity

_GONE = 1e-2  # of its largest value: a rate that has practically gone
_LONG_GONE = 0.4  # of the run without a rate
_SWINGS = 4  # times that the rate came back from nothing
_FEWEST = 8  # steps
_UPDATES = 40
_SAME = 0.02  # of the updates: how far they may lie from the steps a schedule was set up for
_PART = 0.25  # of those steps


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleMisstepped(CaseCheck):
    """Find a schedule that took the rate away, or never gave it, where the rate itself would have served."""

    name: ClassVar[str] = "schedule-misstepped"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if (seldom := self._seldom(case, facts)) is not None:
            return [seldom]
        bar = judged(case, facts)
        rate = facts.rate[np.isfinite(facts.rate)]
        if bar is None or len(rate) < _FEWEST or rate.max() <= 0:
            return []
        meant = _meant(facts)
        if rate.max() < 0.5 * meant and facts.course is not None:
            return self._never_reached(case, facts, bar, meant)
        return self._gone(case, facts, bar, rate)

    def _seldom(self, case: Case, facts: Facts) -> Finding | None:
        """Find a schedule over as many steps as updates were made, which was stepped for a fraction of them."""
        updates = len(facts.loss)
        for entry in case.notes if updates >= _UPDATES else ():
            schedule = entry.data[0] if entry.kind == "schedule" else None
            total, stepped = _length(schedule), getattr(schedule, "last_epoch", 0)
            if facts.course is None or getattr(schedule, "optimizer", None) is not facts.course.optimizer:
                continue
            if abs(total - updates) > _SAME * updates or not 0 < stepped <= _PART * total:
                continue
            return found(
                self.name,
                Severity.CRITICAL if facts.end > STUCK * (facts.trivial or math.inf) else Severity.WARNING,
                0.95,
                place=_stepped(case, facts),
                evidence=[seen("schedule_steps", stepped, f"≈ {total}"), seen("steps", updates)],
                said="seldom",
                values={"total": total, "stepped": stepped},
                explains=("lr-too-low", "lr-too-high", "optimizer-settings", *SYMPTOMS),
            )
        return None

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
                tried=as_tried(bar, bar.plain),
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
                tried=as_tried(bar, trial),
                said="never-reached",
                values={"rate": told, "reached": f"{reached:.3g}"},
                reckoned=reckoned(bar, trial),
                explains=("lr-too-low", "lr-too-high", "optimizer-settings", *SYMPTOMS),
            )
        ]


def _length(schedule: Any) -> int:
    """Return after how many steps a schedule has run its course, 0 if it does not say."""
    told = getattr(schedule, "total_steps", None) or getattr(schedule, "T_max", None)
    return int(told) if isinstance(told, int | float) else 0


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
