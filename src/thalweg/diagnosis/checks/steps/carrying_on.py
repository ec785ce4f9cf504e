"""Weights that were loaded and are not what was saved, and weights that were frozen too far."""

import dataclasses
from typing import ClassVar, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.steps.graphs import ALL, line_of
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts, median_of
from thalweg.diagnosis.replay import CannotPlay, held, losses_of, rerun
from thalweg.diagnosis.watching import Case, Course, Load
from thalweg.findings import Finding, Severity

_JUMP = 3.0  # times the loss before
_HALF = 0.5
_FREED = 0.6  # of the loss that the frozen network comes to in as many steps


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ResumeMismatch(CaseCheck):
    """Find a checkpoint that was hardly loaded, or whose values came in and no longer compute what they did."""

    name: ClassVar[str] = "resume-mismatch"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for load in case.loads:
            own = [name for name, _ in load.module.named_parameters()]
            missed = len(set(load.missing) & set(own))
            if not load.strict and load.unexpected and own and missed >= _HALF * len(own):
                evidence = [seen("keys_missing", missed, "0"), seen("keys_unexpected", len(load.unexpected), "0")]
                values = {"missing": load.missing[0], "unexpected": load.unexpected[0], "count": missed}
                return [found(self.name, Severity.CRITICAL, 0.97, place=load.place, evidence=evidence, said="hardly-loaded", values=values, explains=ALL)]
        return self._jump(case)

    def _jump(self, case: Case) -> list[Finding]:
        courses = [course for course in case.courses if course.steps >= 5]
        for before, after in zip(courses, courses[1:], strict=False):
            load = _between(case, after)
            if load is None or not _same_values(case, before, after):
                continue
            start, end, again = median_of(before.losses[:3]), median_of(before.losses[-10:]), median_of(after.losses[:3])
            if again > _JUMP * end and again - end > 0.3 * (start - end):
                evidence = [seen("loss_saved", end), seen("loss_loaded", again, f"about {end:.3g}")]
                return [
                    found(self.name, Severity.CRITICAL, 0.93, place=load.place, evidence=evidence, where={"step": load.step},
                          values={"before": f"{end:.3g}", "after": f"{again:.3g}"}, explains=ALL)
                ]  # fmt: skip
        return []


def _between(case: Case, after: Course) -> Load | None:
    if after.optimizer is None:
        return None
    own = {id(p) for g in after.optimizer.param_groups for p in g["params"]}
    return next((load for load in case.loads if any(id(p) in own for p in load.module.parameters())), None)


def _same_values(case: Case, before: Course, after: Course) -> bool:
    """Return whether what one training began with are the values, in whatever order, with which another ended."""
    if before.optimizer is None or after.optimizer is None:
        return False
    starts = {id(t): copy for t, copy in case.start}
    olds = [p.detach().flatten() for g in before.optimizer.param_groups for p in g["params"]]
    own = [p for g in after.optimizer.param_groups for p in g["params"]]
    if {id(p) for p in own} & {id(p) for g in before.optimizer.param_groups for p in g["params"]}:
        return False
    news = [starts[id(p)].flatten() for p in own if id(p) in starts]
    if sum(map(len, olds)) != sum(map(len, news)) or not news:
        return False
    return torch.allclose(torch.cat(olds).sort().values, torch.cat(news).sort().values)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FrozenParameters(CaseCheck):
    """Find a network most of which may not move, where the same steps with all of it free go far lower."""

    name: ClassVar[str] = "frozen-parameters"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks, course = facts.playable, facts.course
        if facts.learnt or len(looks) < 4 or course is None:
            return []
        roots = [root.module for root in case.roots if any(op.func is root.module for look in looks for op in look.program())]
        every = list({id(p): p for root in roots for p in root.parameters()}.values())
        frozen = [p for p in every if not p.requires_grad]
        if sum(p.numel() for p in frozen) < _HALF * sum(p.numel() for p in every) or not frozen:
            return []
        lr = float(course.rate()[0]) if course.rate() else 1e-3
        train, aside = looks[::2], looks[1::2]
        with held(case):
            try:
                rerun(course, train, 100, until=facts.until)
                shut = sum(losses_of(aside)) / len(aside)
            except CannotPlay:
                return []
        with held(case):
            try:
                for p in frozen:
                    p.requires_grad_(True)
                rerun(course, train, 100, optimizer=torch.optim.Adam(every, lr=min(lr, 3e-3)), until=facts.until)
                free = sum(losses_of(aside)) / len(aside)
            except CannotPlay:
                return []
            finally:
                for p in frozen:
                    p.requires_grad_(False)
        if not free < _FREED * shut:
            return []
        share = sum(p.numel() for p in frozen) / sum(p.numel() for p in every)
        place = line_of(case, "requires_grad = False") or line_of(case, "requires_grad_(False)") or line_of(case, "requires_grad=False")
        evidence = [seen("frozen_share", share), seen("level_plain", shut), seen("level_changed", free)]
        return [
            found(self.name, Severity.CRITICAL, 0.9, place=place or course.place, evidence=evidence,
                  values={"percent": f"{100 * share:.0f}"}, explains=ALL)
        ]  # fmt: skip
