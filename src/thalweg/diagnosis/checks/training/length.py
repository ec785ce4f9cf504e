"""Runs that were too short: too few steps, or batches so large that there were few."""

import dataclasses
from typing import ClassVar, final

from thalweg.diagnosis.bench import STEPS
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note
from thalweg.diagnosis.checks.training.rate import _picture, _reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Severity

_WHOLE = 0.7  # of the rows in one batch


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StoppedTooEarly(CaseCheck):
    """Find a run that goes on falling far when its own rule goes on from where it stopped."""

    name: ClassVar[str] = "stopped-too-early"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost:
            return []
        steps = min(max(STEPS, len(facts.loss)), 3 * STEPS)
        more = bar.bench.trial("going on", from_end=True, steps=steps)
        holds = more.beats(bar.level, share=FAR) and _falls(facts)
        if not holds and len(facts.loss) < STEPS and bar.plain.beats(bar.level, share=FAR):
            more, holds = bar.plain, True  # the same training, only longer, does it
        note(facts, self.name, f"{steps} more steps", more.aside, bar.level, holds)
        if not holds:
            return []
        rows, size = len(bar.bench.x), bar.bench.size
        evidence = [seen("level_end", bar.level), seen("level_longer", more.aside), seen("steps", len(facts.loss))]
        few = len(facts.loss) < 100 and size >= _WHOLE * rows
        if few:
            evidence.append(seen("rows_a_batch", size))
        code = "batch-size" if few else self.name
        place: Place | None = facts.course.place if facts.course else None
        loader = next((entry.place for entry in case.loaders if entry.batches), None)
        return [
            found(code, Severity.CRITICAL if bar.level > 0.7 * (facts.trivial or bar.level) else Severity.WARNING, 0.9,
                  place=loader or place, evidence=evidence, values={"steps": len(facts.loss), "size": size, "rows": rows},
                  reckoned=_reckoned(bar, more), picture=_picture(facts), explains=("lr-too-low", "underfitting", "vanishing-gradients", "class-imbalance", "wrong-labels", "stopped-too-early", "unscaled-inputs", "optimizer-settings", "lr-too-high"))
        ]  # fmt: skip


def _falls(facts: Facts) -> bool:
    """Return whether the loss was falling when it stopped."""
    loss = facts.finite
    third = max(1, len(loss) // 3)
    return len(loss) < 6 or float(loss[-third:].mean()) < float(loss[:third].mean())
