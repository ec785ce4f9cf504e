"""The training loss goes on falling while the validation loss rises."""

import dataclasses
from typing import ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.findings.base import Check, Evidence, Finding, Severity, Where
from thalweg.signals import Trace

RISE = 0.1  # of the lowest validation loss, and more than what it jumps by from one evaluation to the next
_FEWEST = 5  # evaluations below which a curve has no shape


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Overfitting(Check):
    """Find the epoch from which the validation loss rises for good while the training loss falls.

    A note where the best weights were given back, a warning where the run ended with the worse ones.
    """

    name: ClassVar[str] = "overfitting"

    def look(self, trace: Trace) -> list[Finding]:
        steps, validation = trace.series("validation", "loss")
        _, training = trace.series("train", "loss")
        if len(validation) < _FEWEST or len(training) != len(validation) or not np.all(np.isfinite(validation)):
            return []
        lowest = int(np.argmin(validation))
        after = validation[lowest:]
        if len(after) < 3:
            return []
        end = float(np.median(after[-3:]))
        jumps = float(np.median(np.abs(np.diff(validation[lowest // 2 :]))))
        rise = end - validation[lowest]
        fell = training[lowest] - np.median(training[-3:])
        if rise < max(RISE * abs(validation[lowest]), 3 * jumps) or fell <= 0:
            return []
        restored = any(event["kind"] == "restored" for event in trace.events())
        epoch = _epoch(trace, int(steps[lowest]))
        return [
            Finding(
                code="overfitting", category="generalization",
                severity=Severity.NOTE if restored else Severity.WARNING,
                confidence=float(min(0.95, 0.6 + 0.1 * rise / max(jumps, 1e-12))),
                reckoned=message("findings.from_rise", times=f"{rise / max(jumps, 1e-12):.1f}"),
                cause=message("findings.overfitting", epoch=f"{epoch:g}"),
                remedy=message("findings.overfitting_restored" if restored else "findings.overfitting_cure"),
                where=Where(step=int(steps[lowest])),
                evidence=(
                    Evidence(what=message("findings.validation_lowest"), value=float(validation[lowest])),
                    Evidence(what=message("findings.validation_end"), value=end, healthy=f"<= {validation[lowest] * (1 + RISE):.4g}"),
                    Evidence(what=message("findings.training_fell"), value=float(fell)),
                ),
            )
        ]  # fmt: skip


def _epoch(trace: Trace, step: int) -> float:
    return next(float(row["epoch"]) for row in trace.evaluations() if row["step"] == step)
