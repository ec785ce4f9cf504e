"""A network that sees what it is to tell: later inputs, or the target among its own."""

import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.core import message
from thalweg.diagnosis.audit import find_copy
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.dependence.asking import MOVED, SPENT, answers, calm, network
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts, kept
from thalweg.diagnosis.replay import CannotPlay, held
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_NEXT = 0.98  # of places where the target is the next input
_EXPLAINS = (*SPENT, "train-test-mismatch")
_LOOKING = (
    "scaled_dot_product_attention",
    "multi_head_attention_forward",
    "softmax",
    "lstm",
    "gru",
    "rnn_tanh",
    "conv1d",
    "cumsum",
    "mean",
)  # lets places see one another; the likeliest first


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FutureLeak(CaseCheck):
    """Find a network that is to tell the next input at every place and sees it.

    Its answers at earlier places move when only later inputs are changed.
    """

    name: ClassVar[str] = "future-leak"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for look, met in facts.meets[-2:]:
            if look not in facts.playable:
                continue
            pair = network(look, facts)
            if pair is None:
                return []
            fed, out = pair
            x, y = look.tensors[fed], kept(look, met.target)
            axis = None if y is None or x.dim() < 2 else _axis_of_next(x, y, look.values[out].shape)
            if axis is None:
                return self._answer_inside(case, facts)
            with held(case) as lent:
                lent.to_start()
                try:
                    moved = _moved_by_future(calm(look), fed, out, axis)
                except CannotPlay:
                    return []
            if not math.isfinite(moved) or moved < MOVED:
                return []
            return [self._says(case, facts, _looker(look), moved)]
        return []

    def _says(self, case: Case, facts: Facts, op: Op | None, moved: float) -> Finding:
        return found(
            self.name,
            Severity.CRITICAL,
            0.98,
            place=op.place if op else None,
            evidence=[seen("moved_by_future", moved, "0"), seen("loss_end", facts.end)],
            values={"function": op.name if op else "?"},
            where={"layer": case.path(op.module) if op else None},
            explains=_EXPLAINS,
        )

    def _answer_inside(self, case: Case, facts: Facts) -> list[Finding]:
        """Look for rows of a sequence that hold their own target."""
        if facts.pairs is None or facts.pairs[0].dim() < 3 or facts.pairs[1].numel() != len(facts.pairs[1]):
            return []
        told = find_copy(facts.pairs[0].numpy(), facts.pairs[1].numpy())
        if told is None or not told.copied:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.9,
                place=next((root.place for root in case.roots if root.trained), None),
                evidence=[
                    seen("answer_inside", told.share, f"about {told.chance:.2g}"),
                    seen("loss_end", facts.end),
                ],
                said="answer-inside",
                values={"percent": f"{100 * told.share:.0f}"},
                reckoned=message("causes.from_rows"),
                explains=_EXPLAINS,
            )
        ]


def _axis_of_next(x: Tensor, y: Tensor, shape: tuple[int, ...]) -> int | None:
    """Return the axis along which targets are the next inputs and outputs have a place for each; None without."""
    if y.numel() != x.numel() or len(x) < 2 or torch.equal(x.double().flatten(), y.double().flatten()):
        return None
    y = y.reshape(x.shape)
    for axis in {1, x.dim() - 1}:
        length = x.shape[axis]
        if length < 4 or length not in shape[1:]:
            continue
        later, told = x.narrow(axis, 1, length - 1).double(), y.narrow(axis, 0, length - 1).double()
        if float(torch.isclose(later, told).double().mean()) > _NEXT:
            return axis
    return None


def _moved_by_future(look: Look, fed: int, out: int, axis: int) -> float:
    x = look.tensors[fed]
    length = x.shape[axis]
    cut = length // 2
    other = x.clone()
    tail = x.narrow(axis, cut, length - cut).flip(0)
    changed = tail * 1.5 + 0.1 if x.is_floating_point() else tail.flip(axis)
    other.narrow(axis, cut, length - cut).copy_(changed)
    before, after = answers(look, out, fed, x), answers(look, out, fed, other)
    place = next(k for k in range(1, before.dim()) if before.shape[k] == length)
    spread = float(before.std()) or 1.0
    moved = before.narrow(place, 0, cut) - after.narrow(place, 0, cut)
    return float(moved.abs().max()) / spread


def _looker(look: Look) -> Op | None:
    """Return the operation that lets places see one another."""
    trail = look.trail(look.losses()[0])[::-1]
    for name in _LOOKING:
        op = next((op for op in trail if op.name == name and op.depth > 0), None)
        if op is not None:
            return op
    return None
