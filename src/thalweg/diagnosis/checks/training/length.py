"""Runs that were too short: too few steps, or batches so large that there were few."""

import dataclasses
from typing import ClassVar, final

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note
from thalweg.diagnosis.checks.training.telling import loss_picture, reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_WHOLE = 0.7  # of the rows in one batch
_FEW = 100  # updates
_EXPLAINS = (
    "lr-too-low",
    "underfitting",
    "vanishing-gradients",
    "class-imbalance",
    "wrong-labels",
    "stopped-too-early",
    "unscaled-inputs",
    "optimizer-settings",
    "lr-too-high",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StoppedTooEarly(CaseCheck):
    """Find a run that goes on falling far when its own rule goes on from where it stopped.

    Reports `batch-size` where batches of nearly all rows left hardly any updates.
    """

    name: ClassVar[str] = "stopped-too-early"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost:
            return []
        taken = len(facts.loss)
        more, tried = bar.going_on(taken), "tried_longer"
        holds = more.beats(bar.level, share=FAR) and _falls(facts)
        if not holds and taken < STEPS and bar.plain.beats(bar.level, share=FAR):
            more, tried, holds = bar.plain, "tried_again-longer", True  # the same training, only longer, does it
        note(facts, self.name, message(f"causes.{tried}", steps=more.steps), more.aside, bar.level, holds)
        if not holds:
            return []
        rows, size = len(bar.bench.x), bar.bench.size
        few = taken < _FEW and size >= _WHOLE * rows
        evidence = [seen("level_end", bar.level), seen("level_longer", more.aside), seen("steps", taken)]
        evidence += [seen("rows_a_batch", size)] if few else []
        loader = next((entry.place for entry in case.loaders if entry.batches), None)
        return [
            found(
                "batch-size" if few else self.name,
                Severity.CRITICAL if bar.learnt_little(facts) else Severity.WARNING,
                0.9,
                place=loader or (facts.course.place if facts.course else None),
                evidence=evidence,
                values={"steps": taken, "size": size, "rows": rows},
                reckoned=reckoned(bar, more),
                picture=loss_picture(facts),
                explains=_EXPLAINS,
            )
        ]


def _falls(facts: Facts) -> bool:
    """Return whether the loss was falling when it stopped."""
    loss = facts.finite
    third = max(1, len(loss) // 3)
    return len(loss) < 6 or float(loss[-third:].mean()) < float(loss[:third].mean())
