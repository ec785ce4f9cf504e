"""The loss is no longer a number."""

import dataclasses
import math
from typing import ClassVar, final

import numpy as np

from thalweg.core import Outcome, message
from thalweg.findings.base import Check, Evidence, Finding, Severity, Where
from thalweg.signals import Trace

GROWTH = 3.0  # times the start's loss: a loss that climbs this far before it is lost was driven there by the steps
_TAIL = 0.1  # of the steps, and at least 3: a peak that lies farther back was a hard batch, not the way to the end


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Diverged(Check):
    """Find a run that ended in NaN or infinity; say whether the steps drove it there or it broke at once."""

    name: ClassVar[str] = "diverged"

    def look(self, trace: Trace) -> list[Finding]:
        if trace.meta().get("outcome") != Outcome.DIVERGED:
            return []
        steps = trace.steps()
        loss = steps["loss"]
        lost = np.flatnonzero(~np.isfinite(loss))
        if not len(lost):
            return []
        first = int(lost[0])
        start = float(np.median(loss[: min(5, first)])) if first else math.nan
        peak = float(np.max(loss[:first])) if first else math.nan
        where = Where(step=int(steps["step"][first]))
        since_peak = first - int(np.argmax(loss[:first])) if first else 0
        if peak > GROWTH * abs(start) and since_peak <= max(3, _TAIL * first):
            return [_driven(where, start, peak, float(steps["lr"][first]))]
        evidence = (Evidence(what=message("findings.first_lost"), value=where.step or 0),)
        return [
            Finding(
                code="non-finite", category="numerics", severity=Severity.CRITICAL, confidence=1.0,
                reckoned=message("findings.fact"), cause=message("findings.non_finite", step=where.step),
                remedy=message("findings.non_finite_cure"), where=where, evidence=evidence,
            )
        ]  # fmt: skip


def _driven(where: Where, start: float, peak: float, lr: float) -> Finding:
    return Finding(
        code="lr-too-high", category="rate", severity=Severity.CRITICAL, confidence=0.85,
        reckoned=message("findings.from_growth", growth=f"{peak / abs(start):.3g}" if start else "∞"),
        cause=message("findings.driven", step=where.step, lr=f"{lr:.3g}"),
        remedy=message("findings.driven_cure", lr=f"{lr / 10:.3g}"), where=where,
        evidence=(
            Evidence(what=message("findings.loss_at_start"), value=start),
            Evidence(what=message("findings.largest_loss"), value=peak, healthy=f"<= {GROWTH * abs(start):.3g}"),
        ),
    )  # fmt: skip
