"""The run ended while it was still getting better."""

import dataclasses
from typing import ClassVar, final

import numpy as np

from thalweg.core import Outcome, message
from thalweg.findings.base import Check, Evidence, Finding, Severity, Where
from thalweg.signals import Trace

SHARE = 0.05  # of the validation loss, gained in the last fifth of the evaluations
_FEWEST = 5


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StillImproving(Check):
    """Find a run whose plan or budget ended while the validation loss was falling faster than it jumps."""

    name: ClassVar[str] = "still-improving"

    def look(self, trace: Trace) -> list[Finding]:
        if trace.meta().get("outcome") not in (Outcome.FINISHED, Outcome.BUDGET):
            return []
        split = "validation" if len(trace.series("validation", "loss")[1]) else "train"
        steps, loss = trace.series(split, "loss")
        if len(loss) < _FEWEST or not np.all(np.isfinite(loss)):
            return []
        tail = max(len(loss) // 5, 2)
        gain = float(np.median(loss[-2 * tail : -tail]) - np.median(loss[-tail:]))
        jumps = float(np.std(np.diff(loss[-2 * tail :]))) + 1e-12
        share = gain / max(abs(float(np.median(loss[-2 * tail : -tail]))), 1e-12)
        if share < SHARE or gain < jumps or np.argmin(loss) < len(loss) - tail:
            return []
        return [
            Finding(
                code="stopped-too-early", category="rate", severity=Severity.WARNING if share > 2 * SHARE else Severity.NOTE,
                confidence=float(min(0.9, 0.5 + 0.1 * gain / jumps)),
                reckoned=message("findings.from_gain", times=f"{gain / jumps:.1f}"),
                cause=message("findings.still_improving", percent=f"{100 * share:.0f}"),
                remedy=message("findings.still_improving_cure"), where=Where(step=int(steps[-1])),
                evidence=(Evidence(what=message("findings.gain_last_fifth"), value=share, healthy=f"< {SHARE}"),),
            )
        ]  # fmt: skip
