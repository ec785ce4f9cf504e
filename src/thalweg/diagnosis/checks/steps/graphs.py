"""Layers that nobody registered, and graphs that are cut."""

import dataclasses
from collections.abc import Iterator
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Look, Op, Place
from thalweg.findings import Finding, Severity

ALL = ("lr-too-high", "lr-too-low", "underfitting", "dead-relu", "vanishing-gradients", "exploding-gradients", "non-finite",
       "stopped-too-early", "optimizer-settings", "saddle-point", "over-regularized", "bad-init-scale", "saturated-units",
       "wrong-labels", "class-imbalance", "unshuffled-data", "linear-network", "schedule-misstepped", "batch-size")  # fmt: skip
_FEWEST = 3  # looks
_CUTS = ("detach", "data", "detach_", "numpy", "item", "tolist", "from_numpy", "as_tensor", "tensor", "argmax", "round", "sign", "long", "int")  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UnregisteredModules(CaseCheck):
    """Find layers called inside a network that are not among its modules: in a plain list, or made in each forward."""

    name: ClassVar[str] = "unregistered-modules"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = facts.looks_of(facts.course)
        known = {id(m) for root in case.roots for m in root.module.modules()}
        held_by = {id(p) for c in case.courses if c.optimizer for g in c.optimizer.param_groups for p in g["params"]}
        strangers: dict[int, Op] = {}
        for look in looks:
            for op in look.ops:
                if op.kind == "module" and op.depth > 0 and op.grad and id(op.func) not in known:
                    parameters = list(op.func.parameters())
                    if parameters and all(p.requires_grad and id(p) not in held_by for p in parameters):
                        strangers[id(op.func)] = op
        if not strangers:
            return []
        op = next(iter(strangers.values()))
        a_look = len({id(o.func) for o in looks[-1].ops if o.kind == "module" and id(o.func) in strangers})
        anew = len(looks) > 1 and len(strangers) >= a_look * (len(looks) - 1) and a_look > 0
        place = case.made.get(id(op.func)) or op.place
        evidence = [seen("unregistered", a_look or len(strangers), "0")]
        severity = Severity.WARNING if facts.learnt else Severity.CRITICAL
        return [
            found(self.name, severity, 0.985, place=place, evidence=evidence, said="made-in-forward" if anew else "",
                  values={"count": a_look or len(strangers), "kind": op.name}, where={"layer": case.path(op.module)},
                  explains=(*ALL, "parameters-not-optimized"))
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DetachedGraph(CaseCheck):
    """Find parameters that an optimizer holds and the forward pass uses, and that never get a gradient."""

    name: ClassVar[str] = "detached-graph"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = [look for look in facts.looks_of(facts.course) if look.samples]
        if len(looks) < _FEWEST or facts.course is None or facts.course.optimizer is None:
            return []
        own = [p for g in facts.course.optimizer.param_groups for p in g["params"] if p.requires_grad]
        names = {id(p): case.names.get(id(p), "") for p in own}
        used = {id(v.parameter) for look in looks for v in look.values if v.parameter is not None}
        cut = [p for p in own if id(p) in used and names[id(p)] and all(_grad(look, names[id(p)]) is None for look in looks)]
        if not cut:
            return []
        op = next(_cutters(looks[-1], {id(p) for p in cut}), None)
        if op is None:
            return []
        share = sum(p.numel() for p in cut) / sum(p.numel() for p in own)
        severity = Severity.NOTE if facts.learnt else Severity.CRITICAL
        name = names[id(cut[0])]
        evidence = [seen("without_gradient_share", share, "0")]
        return [
            found(self.name, severity, 0.97, place=op.place, evidence=evidence, where={"parameter": name},
                  values={"count": len(cut), "parameter": name, "function": op.name if op.grad else "no_grad"},
                  explains=(*ALL, "parameters-not-optimized", "frozen-parameters"))
        ]  # fmt: skip


def _grad(look: Look, name: str) -> float | None:
    sample = look.samples.get(name)
    return None if sample is None else sample.grad


def _cutters(look: Look, parameters: set[int]) -> Iterator[Op]:
    """Return the operations that take what these parameters made and give it on without a gradient."""
    made = {k for k, v in enumerate(look.values) if v.parameter is not None and id(v.parameter) in parameters}
    for op in look.ops:
        if op.kind == "module" and any(id(p) in parameters for p in op.func.parameters()):
            made.update(op.outputs)
        if op.kind != "function" or not made.intersection((*op.inputs, *(look.inner(n) for n in op.inputs))):
            continue
        if op.name in _CUTS or not op.grad:
            yield op
        made.update(op.outputs)


def line_of(case: Case, needle: str) -> Place | None:
    """Return the first line of the script that holds a text."""
    if case.script is None:
        return None
    try:
        with open(case.script, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if needle in line and not line.lstrip().startswith("#"):
                    return Place(case.script, number, "")
    except OSError:
        return None
    return None
