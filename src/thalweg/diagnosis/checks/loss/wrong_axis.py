"""A softmax over one unit, over the rows of a batch, or over another axis than the one that is summed afterwards."""

import dataclasses
from typing import ClassVar, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.checks.loss.tracing import PASSING, axis_of, kept, origin
from thalweg.diagnosis.checks.saying import place_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import Meeting, learned
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_SOFTMAXES = ("softmax", "log_softmax", "softmin", "gumbel_softmax")
_PRODUCTS = ("matmul", "bmm", "mm", "__matmul__", "mv", "einsum", "cdist", "cosine_similarity", "baddbmm", "addmm")
_EXPLAINS = (
    "vanishing-gradients",
    "lr-too-low",
    "underfitting",
    "detached-graph",
    "class-imbalance",
    "saddle-point",
    "wrong-loss",
    "output-range",
    "dead-relu",
    "lr-too-high",
    "optimizer-settings",
    "batch-mixing",
    "wrong-labels",
    "stopped-too-early",
    "batch-size",
    "logits-into-probability-loss",
    "overfitting",
    "wrong-metric",
    "over-regularized",
    "unscaled-inputs",
    "label-noise",
    "frozen-parameters",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SoftmaxWrongAxis(CaseCheck):
    """Find a softmax on the way to the loss whose axis holds one entry (it is always 1) or the rows of the batch.

    Rows that are compared with one another before (similarities of pairs) may well be normalised over the batch.
    Attention weights that are normalised over queries and then summed over keys are found as well.
    """

    name: ClassVar[str] = "softmax-wrong-axis"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        hits: dict[str, list[tuple[Look, Op]]] = {}
        for look, met in facts.meets:
            for kind, op in _all_wrong(look, met).items():
                hits.setdefault(kind, []).append((look, op))
        for kind, found in hits.items():
            if len(found) >= max(1, len(facts.meets) - 1):
                look, op = found[-1]
                shape = look.values[op.inputs[0]].shape
                axis = axis_of(look, op)
                size = shape[axis] if axis is not None and shape else 1
                evidence = [seen("axis_size", size, ">= 2")] if kind == "one" else [seen("axis_size", size)]
                said = None if kind == "one" else f"softmax-over-{kind}"
                values = {"function": op.name, "axis": axis, "shape": str(tuple(shape))}
                return [
                    tell(
                        self.name,
                        Severity.CRITICAL,
                        0.98 if kind != "queries" else 0.95,
                        place=place_of(case, op),
                        said=said,
                        evidence=evidence,
                        values=values,
                        layer=case.path(op.module),
                        explains=_EXPLAINS,
                    )
                ]
        return []


def _all_wrong(look: Look, met: Meeting) -> dict[str, Op]:
    found: dict[str, Op] = {}
    shape = look.values[met.target].shape
    rows = shape[0] if shape else 0
    prediction = origin(look, met.prediction)
    for loss in look.losses():
        for op in look.trail(loss):
            if op.name == "cross_entropy" and op is met.op and _is_one_class(look, met):
                found.setdefault("one", op)
            if op.name in _SOFTMAXES and op.inputs and look.values[op.outputs[0]].requires_grad:
                if (kind := _wrong(look, op, rows, op is prediction)) is not None:
                    found.setdefault(kind, op)
    if met.kind == "nll_loss" and prediction is not None and prediction.name == "log_softmax":
        value = kept(look, met.prediction)
        if value is not None and value.dim() > 1 and float(torch.logsumexp(value.float(), 1).abs().max()) > 1e-2:
            found.setdefault("others", prediction)
    return found


def _is_one_class(look: Look, met: Meeting) -> bool:
    shape, target = look.values[met.prediction].shape, look.values[met.target]
    return len(shape) > 1 and shape[1] == 1 and not (target.dtype.is_floating_point and target.shape != shape)


def _wrong(look: Look, op: Op, rows: int, is_output: bool) -> str | None:
    shape, axis = look.values[op.inputs[0]].shape, axis_of(look, op)
    if axis is None or (used := _summed_over(look, op)) == axis:
        return None
    if shape[axis] == 1:
        others = [size for k, size in enumerate(shape) if k not in (0, axis)]
        return "one" if is_output or any(size > 1 for size in others) else None
    if axis == 0 and len(shape) > 1 and shape[0] == rows > 1 and max(shape[1:]) > 1:
        return None if _compares_rows(look, op, rows) else "batch"
    return "queries" if used is not None else None


def _summed_over(look: Look, op: Op) -> int | None:
    """Return the axis over which a matrix product sums what a softmax made, where the one follows on the other."""
    number = look.inner(op.outputs[0])
    rank = len(look.values[number].shape)
    for user in look.ops:
        inputs = [look.inner(n) for n in user.inputs]
        if user.kind != "function" or not inputs or number not in inputs:
            continue
        if user.name in ("dropout", "dropout_", "float", "to", "half", "type_as", "clone", "contiguous"):
            number = look.inner(user.outputs[0])
        elif (
            user.name in ("matmul", "bmm", "__matmul__")
            and len(inputs) == 2
            and inputs[0] == number
            and inputs[1] != number
        ):
            return rank - 1 if rank > 2 else None
        elif user.name in PASSING:
            return None
    return None


def _compares_rows(look: Look, op: Op, rows: int) -> bool:
    """Return whether rows of the batch met in a product of two learned values before this softmax."""
    known = {look.inner(n) for n in learned(look)}
    for before in look.trail(op.inputs[0]):
        inputs = [look.inner(n) for n in before.inputs]
        if before.name in _PRODUCTS and len(inputs) > 1 and all(n in known for n in inputs[:2]):
            if all(look.values[n].parameter is None for n in inputs[:2]):
                if rows in look.values[before.outputs[0]].shape[1:]:
                    return True
    return False
