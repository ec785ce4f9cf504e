"""The run ended while it was still getting better."""

import dataclasses
from typing import ClassVar, final

import numpy as np

from thalweg.core import Outcome, message
from thalweg.findings.base import Check, Evidence, Finding, Severity, Where
from thalweg.findings.noise import Noise, times, unit, whole_fall
from thalweg.signals import Trace

SHARE = 0.05  # of the validation loss, gained in the last fifth of the evaluations
SHARE_OF_ALL = 0.01  # of all that the run gained: a loss of almost nothing can go on falling for ever
ANNEALED = 0.5  # of the rate at the start of the curve's end: below, the gain is the schedule's and proves nothing
_FEWEST = 5


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StillImproving(Check):
    """Find a run whose plan or budget ended while the validation loss was falling faster than its noise can.

    Says nothing where a schedule took the rate down meanwhile: then the loss falls at the end of a run of any length.
    """

    name: ClassVar[str] = "still-improving"

    def look(self, trace: Trace) -> list[Finding]:
        if trace.meta().get("outcome") not in (Outcome.FINISHED, Outcome.BUDGET):
            return []
        split = "validation" if len(trace.series("validation", "loss")[1]) else "train"
        steps, loss = trace.series(split, "loss")
        if len(loss) < _FEWEST or not np.all(np.isfinite(loss)):
            return []
        tail = max(len(loss) // 5, 2)
        before, now = float(np.median(loss[-2 * tail : -tail])), float(np.median(loss[-tail:]))
        gain, fall = before - now, whole_fall(trace, float(loss[0]), now)
        jumps = Noise(loss[-3 * tail :])
        if gain <= jumps.bound(tail, tail) or np.argmin(loss) < len(loss) - tail:
            return []
        half = tail // 2
        if np.median(loss[-half:]) >= np.median(loss[-tail:-half]):  # it fell, but no longer does
            return []
        if fall <= 0 or gain < SHARE_OF_ALL * fall:
            return []
        share = gain / unit(before, float(loss.min()), fall)
        if share < SHARE or _is_annealed(trace, float(steps[-2 * tail])):
            return []
        return [
            Finding(
                code="stopped-too-early", category="rate",
                severity=Severity.WARNING if share > 2 * SHARE else Severity.NOTE,
                confidence=min(0.9, 0.5 + 0.02 * gain / max(jumps.sigma, 0.01 * gain)),
                reckoned=message("findings.from_gain", times=times(gain, jumps)),
                cause=message("findings.still_improving", percent=f"{100 * share:.0f}"),
                remedy=message("findings.still_improving_cure"), where=Where(step=int(steps[-1])),
                evidence=(Evidence(what=message("findings.gain_last_fifth"), value=share, healthy=f"< {SHARE}"),),
            )
        ]  # fmt: skip


def _is_annealed(trace: Trace, since: float) -> bool:
    steps = trace.steps()
    rates = steps["lr"][steps["step"] >= since - 1]
    return len(rates) > 0 and bool(rates[-1] < ANNEALED * rates[0])
