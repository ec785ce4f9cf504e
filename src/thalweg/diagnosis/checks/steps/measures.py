"""Numbers that are reported wrongly."""

import dataclasses
import math
from collections.abc import Iterator
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.losses.tracing import origin
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_COMPARING = ("gt", "ge", "__gt__", "__ge__", "lt", "le", "__lt__", "__le__")
_EQUAL = ("eq", "__eq__", "ne", "__ne__")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WrongMetric(CaseCheck):
    """Find evaluations that read scores as probabilities, take the largest over rows, or compare all with all."""

    name: ClassVar[str] = "wrong-metric"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        kinds = {met.kind for _, met in facts.meets}
        hits: dict[str, Op] = {}
        for look in [*case.views, *case.looks]:
            for op in _reading(look):
                kind = _wrong(look, op, kinds)
                if kind is not None:
                    hits[kind] = op
        if not hits:
            return []
        said, op = next(iter(hits.items()))
        evidence = [seen("loss_end", facts.end)]
        return [
            found(self.name, Severity.WARNING, 0.93, place=op.place, evidence=evidence, said=said,
                  values={"function": op.name.strip("_")})
        ]  # fmt: skip


def _reading(look: Look) -> Iterator[Op]:
    return (op for op in look.ops if op.kind == "function" and op.depth == 0 and (look.kind == "view" or not op.grad))


def _wrong(look: Look, op: Op, kinds: set[str]) -> str | None:
    if op.name in ("round", "round_") or (op.name in _COMPARING and _half(op)):
        source = origin(look, op.inputs[0]) if op.inputs else None
        raw = source is not None and source.name in ("linear", "addmm", "conv2d", "conv1d", "matmul", "__matmul__", "add", "__add__", "mm", "sum", "mean", "mul")
        inside = source is not None and source.depth > 0
        return "scores-as-probabilities" if kinds == {"binary_cross_entropy_with_logits"} and raw and inside else None
    if op.name in ("argmax", "max") and kinds & {"cross_entropy", "nll_loss"}:
        shape = look.values[op.inputs[0]].shape if op.inputs else ()
        dim = op.kwargs.get("dim", op.args[1] if len(op.args) > 1 else None)
        source = origin(look, op.inputs[0]) if op.inputs else None
        if len(shape) == 2 and isinstance(dim, int) and dim % 2 == 0 and source is not None and source.depth > 0 and shape[0] > 1:
            return "largest-over-rows"
    if op.name in _EQUAL and len(op.inputs) == 2:
        a, b = (look.values[n].shape for n in op.inputs)
        size = math.prod(a)
        if size == math.prod(b) > 1 and a != b and [n for n in a if n > 1] == [n for n in b if n > 1] and math.prod(look.values[op.outputs[0]].shape) > size:
            return "compared-with-all"
    return None


def _half(op: Op) -> bool:
    return any(arg == 0.5 for arg in op.args if isinstance(arg, float))
