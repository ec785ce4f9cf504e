"""A softmax over one unit, or over the rows of a batch."""

import dataclasses
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, place_of, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_EXPLAINS = ("vanishing-gradients", "lr-too-low", "underfitting", "detached-graph", "class-imbalance", "saddle-point",
             "wrong-loss", "output-range", "dead-relu", "lr-too-high", "optimizer-settings", "batch-mixing", "wrong-labels",
             "stopped-too-early", "batch-size")  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SoftmaxWrongAxis(CaseCheck):
    """Find a softmax on the way to the loss whose axis holds one entry (it is always 1) or the rows of the batch."""

    name: ClassVar[str] = "softmax-wrong-axis"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        hits: dict[str, list[Op]] = {}
        for look, met in facts.meets:
            rows = look.values[met.target].shape[:1]
            for op in look.trail(look.losses()[0]):
                if (kind := _wrong(look, op, rows)) is not None:
                    hits.setdefault(kind, []).append(op)
        for kind, ops in hits.items():
            if len(ops) >= max(1, len(facts.meets) - 1):
                op = ops[-1]
                evidence = [seen("axis_size", 1, ">= 2")] if kind == "one" else []
                return [
                    found(self.name, Severity.CRITICAL, 0.98, place=place_of(case, op), evidence=evidence,
                          said="" if kind == "one" else "softmax-over-batch", values={"function": op.name},
                          where={"layer": case.path(op.module)}, explains=_EXPLAINS)
                ]  # fmt: skip
        return []


def _wrong(look: Look, op: Op, rows: tuple[int, ...]) -> str | None:
    if op.name == "cross_entropy" and op.inputs:
        shape = look.values[op.inputs[0]].shape
        return "one" if len(shape) == 2 and shape[1] == 1 and not look.values[op.inputs[1]].dtype.is_floating_point else None
    if op.name not in ("softmax", "log_softmax", "softmin", "gumbel_softmax") or not op.inputs:
        return None
    shape = look.values[op.inputs[0]].shape
    said = op.kwargs.get("dim", op.args[1] if len(op.args) > 1 else None)
    dim = said if isinstance(said, int) else (0 if len(shape) in (0, 1, 3) else 1)
    if not shape:
        return None
    dim %= len(shape)
    if shape[dim] == 1:
        return "one"
    return "batch" if dim == 0 and len(shape) == 2 and rows == shape[:1] and shape[1] > 1 else None
