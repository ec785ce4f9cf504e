"""Gradients that are never cleared between steps."""

import dataclasses
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.telling import critical_unless_learnt, seen, tell
from thalweg.diagnosis.checks.loop.threads import steps_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Course
from thalweg.findings import Finding, Severity

_MOST = 0.5  # of the looked steps: clearing once an epoch leaves nearly all of them uncleared
_FEWEST = 3
_EXPLAINS = (
    "lr-too-high",
    "exploding-gradients",
    "non-finite",
    "dead-relu",
    "saturated-units",
    "optimizer-settings",
    "bad-init-scale",
    "loss-scale",
    "underfitting",
    "lr-too-low",
    "vanishing-gradients",
    "batch-size",
    "unscaled-inputs",
    "unscaled-targets",
    "overfitting",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MissingZeroGrad(CaseCheck):
    """Find steps that begin with the gradients of the step before, so that each uses the sum of all so far.

    Asked is whether they lay there, unchanged, when the next backward pass began. Accumulation over several backward
    passes clears after its step, momentum by hand shrinks them: neither leaves them as the step left them.
    """

    name: ClassVar[str] = "missing-zero-grad"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        return [finding for course in case.courses if (finding := self._of(case, course, facts)) is not None][:1]

    def _of(self, case: Case, course: Course, facts: Facts) -> Finding | None:
        key = id(course.optimizer)
        looks = [look for look in steps_of(case, course) if key in look.stale]
        stale = [look for look in looks if look.stale[key]]
        if course.optimizer is None or len(looks) < _FEWEST or len(stale) <= _MOST * len(looks):
            return None
        place = next((op.place for op in stale[-1].events("backward")), course.place)
        severity = critical_unless_learnt(facts) if course is facts.course else Severity.WARNING
        share = len(stale) / len(looks)
        return tell(
            self.name,
            severity,
            0.99,
            place=place,
            values={"percent": f"{100 * share:.0f}"},
            evidence=[seen("uncleared", share, "0")],
            explains=_EXPLAINS,
        )
