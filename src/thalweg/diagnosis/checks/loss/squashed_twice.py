"""Probabilities that are handed to what takes a softmax or a sigmoid itself."""

import dataclasses
import math
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import critical_unless_learnt, seen, tell
from thalweg.diagnosis.checks.loss.tracing import CLAMPS, are_probabilities, kept, meets_of, origin
from thalweg.diagnosis.checks.saying import place_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding

_SOFTMAXES = ("softmax", "gumbel_softmax")
_SIGMOIDS = ("sigmoid", "sigmoid_", "hardsigmoid")
_NORMALISERS = ("log_softmax", "logsumexp")  # of a loss or a distribution; they want scores
_EXPLAINS = (
    "lr-too-low",
    "stopped-too-early",
    "underfitting",
    "saturated-units",
    "vanishing-gradients",
    "wrong-metric",
    "optimizer-settings",
    "batch-size",
    "lr-too-high",
    "class-imbalance",
    "output-range",
    "saddle-point",
    "label-noise",
    "over-regularized",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DoubleSoftmax(CaseCheck):
    """Find probabilities that are handed to a cross-entropy, which takes the softmax itself.

    With scores in [0, 1] the loss of C classes cannot fall below log(e + C - 1) - 1. Log-probabilities are no mistake:
    a softmax of them gives the same probabilities again.
    """

    name: ClassVar[str] = "double-softmax"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = facts.looks_of(facts.course)
        hits = [hit for look in looks if (hit := _twice(look)) is not None]
        if not hits or len(hits) < len([look for look in looks if look.losses()]):
            return _unnamed(self.name, case, facts)
        classes, op, taker = hits[-1]
        floor = math.log(math.e + classes - 1) - 1
        values = {"classes": classes, "floor": f"{floor:.2g}", "function": op.name, "taker": taker.name}
        evidence = [seen("lowest_loss", floor, "0"), seen("loss_end", facts.end)]
        return [
            tell(
                self.name,
                critical_unless_learnt(facts),
                0.98,
                place=place_of(case, op),
                evidence=evidence,
                values=values,
                layer=case.path(op.module),
                explains=_EXPLAINS,
            )
        ]


def _twice(look: Look) -> tuple[int, Op, Op] | None:
    """Return the classes, the softmax and what takes it again, on the way to the losses of one look."""
    for loss in look.losses():
        for taker in look.trail(loss):
            if not taker.inputs or taker.name not in ("cross_entropy", *_NORMALISERS):
                continue
            op = origin(look, taker.inputs[0], through=CLAMPS)
            ours = (*_SOFTMAXES, *_SIGMOIDS) if taker.name == "cross_entropy" else _SOFTMAXES
            shape = look.values[taker.inputs[0]].shape
            if op is not None and op.name in ours and look.values[op.outputs[0]].requires_grad and len(shape) > 0:
                return shape[1 if taker.name == "cross_entropy" and len(shape) > 1 else -1], op, taker
    return None


def _unnamed(name: str, case: Case, facts: Facts) -> list[Finding]:
    """Find probabilities that the script makes by arithmetic of its own: in every look each row sums to one."""
    looks = [(look, met, kept(look, met.prediction)) for look, met in meets_of(facts, "cross_entropy")]
    if len(looks) < 3 or not all(value is not None and are_probabilities(value) for _, _, value in looks):
        return []
    look, met, value = looks[-1]
    assert value is not None
    floor = math.log(math.e + value.shape[1] - 1) - 1
    values = {"classes": value.shape[1], "floor": f"{floor:.2g}", "function": "softmax", "taker": met.op.name}
    evidence = [seen("lowest_loss", floor, "0"), seen("loss_end", facts.end)]
    place = place_of(case, origin(look, met.prediction)) or place_of(case, met.op)
    return [
        tell(
            name, critical_unless_learnt(facts), 0.95, place=place, evidence=evidence, values=values, explains=_EXPLAINS
        )
    ]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DoubleSigmoid(CaseCheck):
    """Find probabilities handed to a binary cross-entropy that takes the sigmoid itself, or to a second sigmoid.

    With scores in [0, 1] no probability falls below 1/2, and the loss of a sure 1 cannot fall below log(1 + 1/e).
    """

    name: ClassVar[str] = "double-sigmoid"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        hits = [_sigmoid(look, met.prediction, met.kind) for look, met in facts.meets]
        ops = [op for op in hits if op is not None]
        if not ops or len(ops) < len(hits):
            return []
        op = ops[-1]
        evidence = [seen("lowest_probability", 0.5, "0"), seen("loss_end", facts.end)]
        return [
            tell(
                self.name,
                critical_unless_learnt(facts),
                0.98,
                place=place_of(case, op),
                evidence=evidence,
                values={"function": op.name.rstrip("_")},
                layer=case.path(op.module),
                explains=_EXPLAINS,
            )
        ]


def _sigmoid(look: Look, prediction: int, kind: str) -> Op | None:
    op = origin(look, prediction, through=CLAMPS)
    if kind == "binary_cross_entropy_with_logits":
        return op if op is not None and op.name in (*_SIGMOIDS, "softmax") else None
    if op is None or op.name not in _SIGMOIDS or not op.inputs:
        return None
    before = origin(look, op.inputs[0], through=CLAMPS)
    return before if before is not None and before.name in _SIGMOIDS else None
