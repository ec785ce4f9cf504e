"""Answers to one row that depend on the other rows of its batch."""

import dataclasses
import math
from typing import ClassVar, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.dependence.asking import MOVED, SPENT, answers, calm, network
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.replay import CannotPlay, held
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_CUTTING = frozenset(("view", "reshape", "unflatten"))
_TURNING = frozenset(("view", "reshape", "permute", "transpose"))
_ALONG = frozenset(
    "softmax mean sum std var cumsum layer_norm batch_norm roll flip sort max".split()
)  # work on an axis
_MEETING = frozenset(("cross_entropy", "mse_loss"))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BatchMixing(CaseCheck):
    """Find answers to some rows of a batch that move when only the other rows change, in evaluation mode."""

    name: ClassVar[str] = "batch-mixing"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        told = [(look, met) for look, met in facts.meets if look in facts.playable][-2:]
        if len(told) < 2 or _one_batch(told, facts):
            return []
        moves = []
        for look, _ in told:
            pair = network(look, facts)
            if pair is None:
                return []
            with held(case) as lent:
                lent.to_start()
                try:
                    moves.append(_moved_by_others(calm(look), *pair))
                except CannotPlay:
                    return []
        if not all(math.isfinite(moved) and moved >= MOVED for moved in moves):
            return []
        op = _mixer(told[-1][0])
        return [
            found(
                self.name,
                Severity.WARNING if facts.learnt else Severity.CRITICAL,
                0.96,
                place=op.place if op else None,
                evidence=[seen("moved_by_others", min(moves), "0")],
                values={"function": op.name if op else "?"},
                where={"layer": case.path(op.module) if op else None},
                explains=SPENT,
            )
        ]


def _one_batch(told: list[tuple[Look, Meeting]], facts: Facts) -> bool:
    """Return whether every step sees the same rows, as networks on graphs do."""
    fed = [look.tensors[n] for look, _ in told for n in facts.inputs(look)[:1]]
    return len(fed) > 1 and fed[0].shape == fed[1].shape and bool(torch.equal(fed[0], fed[1]))


def _moved_by_others(look: Look, fed: int, out: int) -> float:
    """Return how far answers to one half of a batch move when only the other half changes; each half in turn."""
    x = look.tensors[fed]
    half = len(x) // 2
    before = answers(look, out, fed, x)
    spread = float(before.std()) or 1.0
    moves = []
    for changed, watched in ((slice(half, None), slice(None, half)), (slice(None, half), slice(half, None))):
        other = x.clone()
        other[changed] = x[changed].flip(0)
        if x.is_floating_point():
            other[changed] = other[changed] * 1.5 + 0.1
        after = answers(look, out, fed, other)
        moves.append(float((before[watched] - after[watched]).abs().max()) / spread)
    return max(moves)


def _mixer(look: Look) -> Op | None:
    """Return the operation that moves the rows of a batch from the first axis."""
    trail = look.trail(look.losses()[0])[::-1]
    met = next((op.inputs for op in trail if op.name in _MEETING), ())
    rows = look.values[met[1]].shape[0] if len(met) > 1 and look.values[met[1]].shape else 0
    inside = [op for op in trail if op.inputs and op.outputs and op.depth > 0]
    for op in inside:
        before, after = look.values[op.inputs[0]].shape, look.values[op.outputs[0]].shape
        if op.name in _CUTTING and before[:1] == (rows,) and after[:1] != (rows,) and rows in after:
            return op
    for op in inside:
        dim = op.kwargs.get("dim", op.args[1] if len(op.args) > 1 else None)
        if op.name in _ALONG and dim == 0:
            return op
    turned = [op for op in inside if op.name in _TURNING]
    return turned[0] if turned else (inside[0] if inside else None)
