"""Parameters that were frozen although the run cannot reach what it could without."""

import dataclasses
import linecache
import math
import re
from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck, Rank
from thalweg.diagnosis.checks.loop.telling import critical_unless_learnt, seen, some, tell
from thalweg.diagnosis.checks.loop.threads import held_by, names_of, reached, steps_of, used
from thalweg.diagnosis.checks.loop.trying import Gain, gain
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import learned, meetings
from thalweg.diagnosis.watching import Case, Course, Look, Place
from thalweg.findings import Finding, Severity

_MOST = 0.5  # of a model's numbers
_GAIN = 0.15  # of the trivial loss
_POOR, _POOR_GAIN = 0.5, 0.08  # a network that ends above half of it has learnt little: then less will do
_EXPLAINS = (
    "lr-too-low",
    "underfitting",
    "stopped-too-early",
    "saddle-point",
    "batch-size",
    "optimizer-settings",
    "overfitting",
    "vanishing-gradients",
    "saturated-units",
)
_ASSIGNS = re.compile(r"\.requires_grad_\s*=[^=]")
_FREEZES = re.compile(r"requires_grad_?\s*(=\s*False|\(\s*False)|requires_grad_\(\s*mode\s*=\s*False")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FrozenParameters(CaseCheck):
    """Find models most of whose numbers are frozen, where letting them learn takes the loss clearly further down.

    A backbone that is frozen on purpose leaves a head that learns well: then there is little to gain, and nothing is
    said. What a later part of the script trains is left out, and so is what is compared with a network's own words.
    """

    name: ClassVar[str] = "frozen-parameters"
    rank: ClassVar[Rank] = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if (misspelt := self._assigned(case, facts)) is not None:
            return [misspelt]
        for place, course in enumerate(case.courses):
            looks = steps_of(case, course)
            if course.optimizer is None or len(looks) < 4:
                continue
            still = _frozen(case, course, looks, case.courses[place + 1 :])
            if still and (finding := self._tried(case, facts, course, looks, still)) is not None:
                return [finding]
        return []

    def _assigned(self, case: Case, facts: Facts) -> Finding | None:
        """Find parameters whose method `requires_grad_` was overwritten where it should have been called."""
        own = {id(p): p for root in case.roots for p in root.module.parameters()}.values()
        shut = [p for p in own if vars(p).get("requires_grad_") is True and not p.requires_grad]
        if not shut:
            return None
        names = names_of(case, shut)
        return tell(
            self.name,
            Severity.CRITICAL,
            0.98,
            said="assigned-not-called",
            place=_line_with(facts.course, _ASSIGNS),
            values={"names": some(names), "count": len(shut)},
            evidence=[seen("frozen_numbers", sum(p.numel() for p in shut))],
            where={"parameter": names[0]},
            explains=_EXPLAINS,
        )

    def _tried(
        self, case: Case, facts: Facts, course: Course, looks: Sequence[Look], still: Sequence[Tensor]
    ) -> Finding | None:
        tried = gain(case, facts, course, looks, still)
        if tried is None or not math.isfinite(tried.trivial) or not tried.clear(_asked(tried)):
            return None
        names = names_of(case, still)
        numbers = sum(p.numel() for p in still)
        evidence = [seen("frozen_numbers", numbers), seen("loss_as_is", tried.same), seen("loss_unfrozen", tried.freed)]
        return tell(
            self.name,
            Severity.CRITICAL if tried.share > 0.3 else critical_unless_learnt(facts),
            0.92,
            place=_line_with(course, _FREEZES),
            values={"names": some(names), "numbers": numbers},
            evidence=evidence,
            reckoned="tried",
            where={"parameter": names[0]},
            explains=_EXPLAINS,
        )


def _asked(tried: Gain) -> float:
    return _POOR_GAIN if tried.same > _POOR * tried.trivial else _GAIN


def _frozen(case: Case, course: Course, looks: Sequence[Look], later: Sequence[Course]) -> list[Tensor]:
    """Return the parameters that were used and frozen at all looks, in a model of which the rest is trained."""
    mets = [(look, met[0]) for look in looks if (met := meetings(look))]
    if not mets or any(met.kind == "other" or met.target in learned(look) for look, met in mets):
        return []
    own = {id(p) for p in held_by(course) if any(id(p) in reached(look) for look in looks[-2:])}
    freed = {key for other in later for look in steps_of(case, other) for key in reached(look)}
    found: list[Tensor] = []
    for root in case.roots:
        parameters = list(root.module.parameters())
        if not any(id(p) in own for p in parameters):
            continue
        still = [
            p
            for p in parameters
            if not p.requires_grad
            and id(p) not in freed
            and p.is_floating_point()
            and all(_is_frozen(look, p) for look in looks)
        ]
        if sum(p.numel() for p in still) >= _MOST * sum(p.numel() for p in parameters):
            found += [p for p in still if all(p is not q for q in found)]
    return found


def _is_frozen(look: Look, parameter: Tensor) -> bool:
    number = used(look).get(id(parameter))
    return number is not None and not look.values[number].requires_grad


def _line_with(course: Course | None, pattern: re.Pattern[str]) -> Place | None:
    """Return the last line that a pattern fits before the optimizer's, else in its file, else the optimizer's."""
    place = course.place if course is not None else None
    if place is None:
        return None
    lines = [k for k, line in enumerate(linecache.getlines(place.file), 1) if pattern.search(line.partition("#")[0])]
    before = [k for k in lines if k <= place.line] or lines
    return dataclasses.replace(place, line=before[-1]) if before else place
