"""A loss that is cut off above or below, so that nothing is learnt from it there."""

import dataclasses
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_CUTS = ("clamp", "clamp_", "clamp_max", "clamp_min", "clip", "minimum", "maximum", "hardtanh", "where", "relu", "min", "max", "threshold", "nan_to_num")  # fmt: skip
_LOST = 0.2  # of the looked steps without any gradient


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossClamped(CaseCheck):
    """Find a clamp between the errors and the loss that leaves whole batches without a gradient."""

    name: ClassVar[str] = "loss-clamped"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = [look for look in facts.looks_of(facts.course) if look.samples and look.losses()]
        flat = [look for look in looks if all(not sample.grad for sample in look.samples.values())]
        cut = [(look, op) for look in flat if (op := _cut(look)) is not None]
        if not looks or len(cut) < _LOST * len(looks) or len(cut) < 2:
            return []
        _, op = cut[-1]
        share = len(cut) / len(looks)
        evidence = [seen("without_gradient", share, "0"), seen("loss_end", facts.end)]
        return [
            found(self.name, Severity.CRITICAL if share > 0.8 else Severity.WARNING, 0.98, place=op.place,
                  evidence=evidence, values={"function": op.name, "percent": f"{100 * share:.0f}"},
                  explains=("lr-too-low", "vanishing-gradients", "detached-graph", "dead-relu", "saddle-point",
                            "underfitting", "optimizer-settings", "unscaled-targets", "lr-too-high", "parameters-not-optimized"))
        ]  # fmt: skip


def _cut(look: Look) -> Op | None:
    """Return the last clamp on a number or a vector of losses on the way to the loss."""
    for op in look.trail(look.losses()[0])[:8]:
        if op.name in _CUTS and op.module is None or (op.name in _CUTS and op.depth == 0):
            return op
    return None
