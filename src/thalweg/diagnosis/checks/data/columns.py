"""Codes for missing values among a column's readings."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.audit import Sentinel, find_bad_columns
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.data.seen import WEAK, columns, median_repaired
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import judged, note
from thalweg.diagnosis.checks.training.telling import reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_LEFT = 0.3  # of a column's spread: what a code leaves to its readings
_HELPS = 0.75  # of the level at the end


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BadColumns(CaseCheck):
    """Find codes for missing values that take up a column's scale, where training learns once they are filled in."""

    name: ClassVar[str] = "bad-columns"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or facts.pairs is None or facts.pairs[0].dim() != 2 or not facts.pairs[0].is_floating_point():
            return []
        odd = [mark for mark in find_bad_columns(columns(facts.pairs[0])).sentinels if mark.left < _LEFT]
        if not odd:
            return []
        bar.bench.others["repaired"] = _repaired(bar.bench.x, odd)
        trial = bar.bench.trial("filled in", scaled="repaired")
        holds = trial.beats(min(bar.level, bar.plain.aside), share=_HELPS)
        note(facts, self.name, "filled-in", trial.aside, bar.level, holds)
        if not holds:
            return []
        worst = max(odd, key=lambda mark: mark.gap)
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.94,
                place=next((root.place for root in case.roots if root.trained), None),
                evidence=[
                    seen("code_value", worst.values[0]),
                    seen("code_share", worst.share),
                    seen("left_spread", worst.left, "≈ 1"),
                    seen("level_end", bar.level),
                    seen("level_changed", trial.aside),
                ],
                values={"column": worst.column, "count": len(odd), "percent": f"{100 * worst.share:.0f}"},
                reckoned=reckoned(bar, trial),
                explains=(*WEAK, "unscaled-inputs", "wrong-labels", "label-noise", "shrunken-inputs"),
            )
        ]


def _repaired(x: Tensor, odd: Sequence[Sentinel]) -> Tensor:
    """Return rows with the codes filled in, standardised."""
    filled = x
    for mark in odd:
        filled = median_repaired(filled, mark.column, mark.values)
    wide = filled.double()
    spread = wide.std(0)
    return ((wide - wide.mean(0)) / torch.where(spread > 1e-12, spread, 1.0)).to(x.dtype)
