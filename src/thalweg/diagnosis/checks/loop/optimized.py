"""Parameters that should learn and that no optimizer moves."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.telling import seen, some, tell
from thalweg.diagnosis.checks.loop.threads import (
    held_by,
    in_any_optimizer,
    in_any_root,
    leaf,
    moved,
    names_of,
    reached,
    steps_of,
)
from thalweg.diagnosis.checks.loop.trying import gain
from thalweg.diagnosis.checks.loop.unstepped import rarely_stepped
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import learned, meetings
from thalweg.diagnosis.watching import Case, Course, Look
from thalweg.findings import Finding, Severity

_IDLE = 0.1  # of an optimizer's steps, from which its parameters take no part in
_GAIN = 0.1  # of the trivial loss: what letting them learn must bring where leaving them out may be meant
_EXPLAINS = (
    "lr-too-low",
    "underfitting",
    "saddle-point",
    "stopped-too-early",
    "optimizer-settings",
    "batch-size",
    "vanishing-gradients",
    "dead-relu",
    "bad-init-scale",
    "wrong-labels",
    "frozen-parameters",
    "detached-graph",
    "class-imbalance",
    "unscaled-targets",
    "unscaled-inputs",
    "linear-network",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ParametersNotOptimized(CaseCheck):
    """Find parameters that got a gradient at every looked step, are in no optimizer and never moved.

    Certain where the optimizer holds parameters that no called module has (it was made for another model), or where
    gradients are cleared between backward pass and step. Where some are merely left out it is tried whether the loss
    falls further with them; if not, they were left out on purpose. Weights that a script changes by itself have moved.
    """

    name: ClassVar[str] = "parameters-not-optimized"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for course in case.courses:
            looks = steps_of(case, course)
            if course.optimizer is None or len(looks) < 2:
                continue
            finding = (
                self._cleared(course, looks)
                or rarely_stepped(case, facts, course)
                or self._stale(case, course, looks)
                or self._left_behind(case, course, looks)
                or self._left_out(case, facts, course, looks)
            )
            if finding is not None:
                return [finding]
        return []

    def _cleared(self, course: Course, looks: Sequence[Look]) -> Finding | None:
        """Find gradients that are cleared before the step that should use them."""
        if not all(_cleared_before_step(look) for look in looks):
            return None
        place = next(
            (op.place for op in reversed(looks[-1].ops) if op.kind == "event" and op.name == "zero_grad"), course.place
        )
        return tell(
            self.name,
            Severity.CRITICAL,
            0.99,
            said="cleared-before-step",
            place=place,
            values={},
            evidence=[seen("without_gradient", 1, "0")],
            explains=(*_EXPLAINS, "missing-zero-grad"),
        )

    def _stale(self, case: Case, course: Course, looks: Sequence[Look]) -> Finding | None:
        """Find an optimizer whose parameters belong to nothing that is called, beside parameters it should have."""
        known, roots = held_by(course), in_any_root(case)
        lost = [p for p in known if id(p) not in roots and not any(id(p) in _parts(look) for look in looks)]
        names = {case.names.get(id(p), f"#{id(p)}") for p in lost}
        fed_by_hand = any(
            sample.grad is not None
            for look in looks
            for key, sample in look.samples.items()
            if key in names or key.startswith("#")
        )
        out = _out(case, looks)
        if not lost or not out or fed_by_hand:
            return None
        said = "stale-optimizer" if len(lost) == len(known) else "replaced-parameters"
        values = {"count": len(lost), "names": some(names_of(case, out)), "out": len(out)}
        evidence = [seen("parameters_unused", len(lost), "0"), seen("parameters_outside", len(out), "0")]
        return tell(
            self.name,
            Severity.CRITICAL,
            0.98,
            said=said,
            place=course.place,
            values=values,
            evidence=evidence,
            where={"parameter": names_of(case, out)[0]},
            explains=_EXPLAINS,
        )

    def _left_behind(self, case: Case, course: Course, looks: Sequence[Look]) -> Finding | None:
        """Find an optimizer that goes on with the parameters of a model that was replaced on the way."""
        known = held_by(course)
        tail = _idle(course, looks, known)
        names = {case.names.get(id(p), "") for p in known}
        if not tail or any(sample.grad for look in tail for key, sample in look.samples.items() if key in names):
            return None
        held, roots, copied = in_any_optimizer(case), in_any_root(case), {id(t) for t, _ in case.start}
        new = [p for key, p in reached(tail[-1]).items() if key in roots and key not in held]
        new = [p for p in new if id(p) not in copied or id(p) not in moved(case, [p])]
        if not new:
            return None
        return tell(
            self.name,
            Severity.CRITICAL,
            0.95,
            said="left-behind",
            place=course.place,
            values={"names": some(names_of(case, new)), "step": tail[0].step},
            evidence=[seen("parameters_unused", len(known), "0"), seen("parameters_outside", len(new), "0")],
            where={"step": tail[0].step},
            explains=(*_EXPLAINS, "train-eval-mode"),
        )

    def _left_out(self, case: Case, facts: Facts, course: Course, looks: Sequence[Look]) -> Finding | None:
        """Find parameters that were forgotten: with them among the others the loss of other looks falls further."""
        own = [p for p in held_by(course) if any(id(p) in reached(look) for look in looks)]
        out = _out(case, looks)
        if not own or not out or not any(id(p) in in_any_root(case) for p in own) or not _has_given_targets(looks):
            return None
        tried = gain(case, facts, course, looks, out)
        if tried is None or not tried.clear(_GAIN):
            return None
        names = names_of(case, out)
        numbers = sum(p.numel() for p in out)
        evidence = [
            seen("parameters_outside", len(out), "0"),
            seen("loss_as_is", tried.same),
            seen("loss_with_them", tried.freed),
            *([seen("loss_trivial", tried.trivial)] if math.isfinite(tried.trivial) else []),
        ]
        return tell(
            self.name,
            Severity.CRITICAL if tried.share > 0.3 else Severity.WARNING,
            0.93,
            said="left-out",
            place=course.place,
            values={"names": some(names), "out": len(out), "numbers": numbers},
            evidence=evidence,
            reckoned="tried",
            where={"parameter": names[0]},
            explains=_EXPLAINS,
        )


def _cleared_before_step(look: Look) -> bool:
    """Return whether gradients went away between every backward pass and the step after it."""
    waiting, hits = False, 0
    for op in look.ops:
        if op.kind == "event" and op.name == "backward":
            waiting = True
        elif op.kind == "event" and op.name == "zero_grad":
            waiting = False
        elif op.kind == "event" and op.name == "step":
            if waiting:
                return False
            hits += 1
    flat = all(not sample.grad for sample in look.samples.values())
    return bool(hits and look.losses() and look.samples and flat and next(look.events("zero_grad"), None))


def _parts(look: Look) -> set[int]:
    """Return the ids of the leaves that a loss depends on, with a gradient or without."""
    key = "parts of the losses"
    if key not in look.plans:
        taken = {n for number in look.losses() for op in look.trail(number) for n in op.inputs}
        look.plans[key] = {id(tensor) for n in taken if (tensor := leaf(look, n)) is not None}
    parts: set[int] = look.plans[key]
    return parts


def _idle(course: Course, looks: Sequence[Look], known: Sequence[Tensor]) -> list[Look]:
    """Return the looks from which on no tensor of the optimizer takes part, if much of its course lies behind them."""
    last = max((k for k, look in enumerate(looks) if any(id(p) in _parts(look) for p in known)), default=-1)
    tail = list(looks[last + 1 :])
    long = len(tail) >= 2 and tail[-1].step - tail[0].step >= _IDLE * course.steps
    return tail if last >= 0 and long else []


def _out(case: Case, looks: Sequence[Look]) -> list[Tensor]:
    """Return the parameters of roots that get a gradient at all looks, are in no optimizer and stand still."""
    known, roots = in_any_optimizer(case), in_any_root(case)
    first = {key: p for key, p in reached(looks[0]).items() if key in roots and key not in known}
    always = [p for key, p in first.items() if all(key in reached(look) for look in looks)]
    gone = moved(case, always)
    order = {key: place for place, key in enumerate(id(p) for root in case.roots for p in root.module.parameters())}
    return sorted((p for p in always if id(p) not in gone), key=lambda p: order[id(p)])


def _has_given_targets(looks: Sequence[Look]) -> bool:
    """Return whether predictions are compared with data: letting move what they are compared with proves nothing."""
    mets = [(look, met[0]) for look in looks if (met := meetings(look))]
    return bool(mets) and all(met.kind != "other" and met.target not in learned(look) for look, met in mets)
