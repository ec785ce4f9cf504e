"""Batches that come in the order of their targets."""

import dataclasses
from typing import ClassVar, final

from thalweg.core import message
from thalweg.diagnosis.audit import measure_order
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.data.seen import WEAK
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note
from thalweg.diagnosis.facts import Facts, kept
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_FEWEST, _MOST = 6, 40  # batches
_PURE = 0.6  # of the way to one kind a batch: plain enough where no experiment can be made
_EXPLAINS = (*WEAK, "class-imbalance", "dead-relu", "label-noise", "wrong-labels", "schedule-misstepped", "batch-size")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UnshuffledData(CaseCheck):
    """Find batches each of which holds few kinds of target, where the same rows in a random order are learnt."""

    name: ClassVar[str] = "unshuffled-data"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        targets = [kept(look, met.target) for look, met in facts.meets]
        batches = [t.numpy() for t in targets if t is not None and t.dim() and len(t) > 3]
        if facts.learnt or len(batches) < _FEWEST:
            return []
        told = measure_order(batches[:_MOST])
        if told is None or not told.sorted:
            return []
        bar = judged(case, facts)
        confirmed = bar is not None and bar.plain.beats(bar.level, share=FAR)
        evidence = [seen("purity", told.purity, "≈ 0")]
        if bar is not None:
            note(facts, self.name, "shuffled-rows", bar.plain.aside, bar.level, confirmed)
            evidence += [seen("level_end", bar.level), seen("level_changed", bar.plain.aside)]
        if not confirmed and told.purity < _PURE:
            return []
        loader = next((entry.place for entry in case.loaders if entry.batches), None)
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.95 if confirmed else 0.75,
                place=loader or (facts.course.place if facts.course else None),
                evidence=evidence,
                values={"percent": f"{100 * told.purity:.0f}"},
                reckoned=message("causes.from_order"),
                explains=_EXPLAINS,
            )
        ]
