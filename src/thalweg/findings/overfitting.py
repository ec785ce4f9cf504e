"""The training loss goes on falling while the validation loss rises."""

import dataclasses
from typing import ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.findings.base import Check, Evidence, Finding, Severity, Where
from thalweg.findings.noise import steadiest, times, unit, whole_fall
from thalweg.signals import Trace

RISE = 0.1  # of the lowest validation loss, and more than its noise can make out of a level curve
LOSS_OF_GAIN = 0.01  # of all that the validation loss had fallen by: less costs nothing that matters
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
        if len(validation) < _FEWEST or len(training) != len(validation):
            return []
        if not (np.all(np.isfinite(validation)) and np.all(np.isfinite(training))):
            return []
        lowest = int(np.argmin(validation))
        best = float(validation[lowest])
        if len(validation) - lowest < 3:
            return []
        end = float(np.median(validation[-3:]))
        fell = float(training[lowest] - np.median(training[-3:]))
        jumps, least = steadiest(validation, lowest, looks=len(validation))
        rise, first = end - best, float(validation[0])
        scale = unit(best, min(best, float(training.min())), whole_fall(trace, first, best))
        matters = max(RISE * scale, LOSS_OF_GAIN * (first - best))
        if rise <= max(matters, least) or fell <= steadiest(training, lowest)[1]:
            return []
        restored = any(event["kind"] == "restored" for event in trace.events())
        epoch = _epoch(trace, int(steps[lowest]))
        return [
            Finding(
                code="overfitting", category="generalization",
                severity=Severity.NOTE if restored else Severity.WARNING,
                confidence=min(0.95, 0.6 + 0.02 * rise / max(jumps.sigma, 0.01 * rise)),
                reckoned=message("findings.from_rise", times=times(rise, jumps)),
                cause=message("findings.overfitting", epoch=f"{epoch:g}"),
                remedy=message("findings.overfitting_restored" if restored else "findings.overfitting_cure"),
                where=Where(step=int(steps[lowest])),
                evidence=(
                    Evidence(what=message("findings.validation_lowest"), value=best),
                    Evidence(what=message("findings.validation_end"), value=end, healthy=f"<= {best + matters:.4g}"),
                    Evidence(what=message("findings.training_fell"), value=fell),
                ),
            )
        ]  # fmt: skip


def _epoch(trace: Trace, step: int) -> float:
    return next(float(row["epoch"]) for row in trace.evaluations() if row["step"] == step)
