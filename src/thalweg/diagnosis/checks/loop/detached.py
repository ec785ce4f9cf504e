"""Graphs that are cut on the way from parameters to the loss."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Literal, final

from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.bridging import DETACHES, Bridge, bridged, line_of
from thalweg.diagnosis.checks.loop.telling import seen, some, tell
from thalweg.diagnosis.checks.loop.threads import held_by, moved, names_of, reached, steps_of, used, users
from thalweg.diagnosis.checks.loop.trying import Gain, gain
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Course, Look, Op
from thalweg.findings import Finding, Severity

Cut = Literal["detach", "no_grad", "numpy", "stepwise"]
_LEAVES_TORCH = ("numpy", "__array__", "tolist", "item", "__float__", "__int__", "cpu")
_FLAT = ("round", "floor", "ceil", "trunc", "sign", "heaviside", "round_", "floor_", "ceil_", "trunc_", "sign_")
_GAIN = 0.1  # of the trivial loss: what mending a cut that may be meant must bring
_EXPLAINS = (
    "parameters-not-optimized",
    "frozen-parameters",
    "underfitting",
    "lr-too-low",
    "saddle-point",
    "dead-relu",
    "stopped-too-early",
    "vanishing-gradients",
    "optimizer-settings",
    "bad-init-scale",
    "wrong-labels",
    "batch-size",
    "linear-network",
    "class-imbalance",
    "symmetric-init",
    "over-regularized",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DetachedGraph(CaseCheck):
    """Find parameters of an optimizer that are used at every looked step and never get a gradient, and what cut it.

    A cut may be meant: targets, teachers and stopped branches hold parameters that learn elsewhere, that are in no
    optimizer or that the script moves itself. Where a network learnt all the same, `detach`, `.data` and `no_grad` are
    taken away in a replay, and only if the loss of other looks then falls clearly further is it a fault.
    """

    name: ClassVar[str] = "detached-graph"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for course in case.courses:
            looks = steps_of(case, course)
            if course.optimizer is None or len(looks) < 2:
                continue
            lost = _without_gradient(case, course, looks)
            cuts = [cut for p in lost if (cut := _cut(looks[-1], p)) is not None]
            if cuts and (finding := self._judged(case, facts, course, looks, lost, cuts[0])) is not None:
                return [finding]
        return []

    def _judged(
        self,
        case: Case,
        facts: Facts,
        course: Course,
        looks: Sequence[Look],
        lost: Sequence[Tensor],
        cut: tuple[Cut, Op],
    ) -> Finding | None:
        kind, op = cut
        whole = len(lost) == len([p for p in held_by(course) if p.requires_grad])
        place = line_of(case, looks[-1], kind, op)
        tried: Gain | None = None
        if not whole and kind in ("detach", "no_grad"):
            mended = [bridged(look, op) for look in looks]
            tried = gain(case, facts, course, looks, lost, mended=mended, within=Bridge(op, place))
        severity, confidence = _weighed(kind, facts.learnt if course is facts.course else None, whole, tried)
        if severity is None:
            return None
        names = names_of(case, lost)
        evidence = [seen("without_gradient_share", len(lost) / max(1, len(held_by(course))), "0")]
        if tried is not None:
            clear = tried.clear(_GAIN)
            evidence += [
                seen("loss_as_is", tried.same if clear else tried.same_trained),
                seen("loss_uncut", tried.freed if clear else tried.freed_trained),
            ]
        return tell(
            self.name,
            severity,
            confidence,
            said=f"cut-{kind}",
            place=place,
            evidence=evidence,
            values={"names": some(names), "count": len(lost), "function": op.name},
            explains=_EXPLAINS,
            reckoned="tried" if tried is not None else "fact",
            where={"layer": case.path(op.module) or None, "parameter": names[0]},
        )


def _weighed(kind: Cut, learnt: bool | None, whole: bool, tried: Gain | None) -> tuple[Severity | None, float]:
    """Return how bad a cut is and how sure, None where it may be meant and does no harm."""
    if whole:
        return Severity.CRITICAL, 0.99
    if tried is not None:
        if tried.clear(_GAIN) or (learnt is False and tried.fits):
            return (Severity.WARNING if learnt else Severity.CRITICAL), 0.96
        return (Severity.WARNING if learnt is False else None), 0.75
    if kind in ("numpy", "stepwise"):
        return (Severity.WARNING if learnt else Severity.CRITICAL), 0.85 if learnt else 0.96
    return (Severity.CRITICAL, 0.9) if learnt is False else (None, 0.0)


def _without_gradient(case: Case, course: Course, looks: Sequence[Look]) -> list[Tensor]:
    """Return the optimizer's parameters that were used at all looks, got no gradient at any and stand still."""
    own = [p for p in held_by(course) if p.requires_grad and all(id(p) in used(look) for look in looks)]
    lost = [p for p in own if all(_is_empty(case, look, p) for look in looks)]
    gone = moved(case, lost) & {id(t) for t, _ in case.start}
    return [p for p in lost if id(p) not in gone]


def _is_empty(case: Case, look: Look, parameter: Tensor) -> bool:
    """Return whether no gradient, or one of exact zeros behind a function without slope, came to a parameter."""
    sample = look.samples.get(case.names.get(id(parameter), ""))
    if sample is None or sample.grad:
        return False
    return id(parameter) not in reached(look) or (sample.grad == 0 and _cut(look, parameter) is not None)


def _cut(look: Look, parameter: Tensor) -> tuple[Cut, Op] | None:
    """Return the operation at which the way from a parameter to the loss ends; None where it ends nowhere in sight."""
    number = used(look).get(id(parameter))
    if number is None:
        return None
    behind = {id(op) for loss in look.losses() for op in look.trail(loss)}
    rewrapped = all(look.values[look.inner(n)].is_leaf for n in look.losses())
    taken, waiting, seen_ = users(look), [number], {number}
    found: list[tuple[Cut, Op]] = []
    while waiting:
        current = waiting.pop(0)
        for place in taken.get(current, ()):
            op = look.ops[place]
            kind = _kind_of(look, op, current)
            if kind is not None and (kind == "numpy" or id(op) in behind or rewrapped or _leads_out(look, op)):
                found.append((_through(look, op, kind), op))
            elif kind is None:
                fresh = [n for n in op.outputs if n not in seen_]
                seen_.update(fresh)
                waiting += fresh
    return found[0] if found else None


def _kind_of(look: Look, op: Op, number: int) -> Cut | None:
    if op.name in DETACHES:
        return "detach"
    if not op.grad:
        return "no_grad"
    if op.name in _LEAVES_TORCH and not op.outputs:
        return "numpy"
    if op.name in _FLAT:
        return "stepwise"
    lost = (
        op.outputs and look.values[number].requires_grad and not any(look.values[n].requires_grad for n in op.outputs)
    )
    return "stepwise" if lost else None


def _leads_out(look: Look, op: Op) -> bool:
    """Return whether what was taken out of the graph goes on outside torch."""
    taken, waiting = users(look), list(op.outputs)
    for _ in range(8):
        following = [look.ops[place] for number in waiting for place in taken.get(number, ())]
        if any(step.name in ("numpy", "__array__", "tolist") for step in following):
            return True
        waiting = [
            n
            for step in following
            if step.name in (*DETACHES, "cpu", "float", "double", "contiguous")
            for n in step.outputs
        ]
    return False


def _through(look: Look, op: Op, kind: Cut) -> Cut:
    return "numpy" if kind == "detach" and _leads_out(look, op) else kind
