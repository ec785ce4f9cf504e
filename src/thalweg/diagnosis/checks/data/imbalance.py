"""A class so rare that decisions hardly ever find it."""

import dataclasses
import math
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from thalweg.core import message
from thalweg.diagnosis.audit import count_classes
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts, kept
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.replay import CannotPlay, held, play
from thalweg.diagnosis.watching import Case, Look
from thalweg.findings import Finding, Severity

_MAJORITY = 0.85  # share of the commonest class
_THRESHOLDS = ("gt", "ge", "__gt__", "__ge__", "lt", "__lt__", "argmax", "round", "max", "sign", "eq", "__eq__")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClassImbalance(CaseCheck):
    """Find a rare class that the decisions of an evaluation, at the script's own threshold, hardly ever find."""

    name: ClassVar[str] = "class-imbalance"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if not facts.meets or not _decides(case) or (len(facts.loss) and not math.isfinite(facts.loss[-1])):
            return []
        decided = _guesses(case, facts)
        told = count_classes(decided[1], decided[0]) if decided is not None else None
        if told is None or told.majority < _MAJORITY or not told.missed:
            return []
        recall = told.recall[told.classes.index(told.missed[0])]
        met = facts.meets[-1][1]
        place = case.made.get(id(met.op.module)) if met.op.module is not None else None
        return [
            found(
                self.name,
                Severity.WARNING,
                0.88,
                place=place or met.op.place,
                evidence=[
                    seen("majority_share", told.majority, f"< {_MAJORITY:g}"),
                    seen("rare_recall", recall, f"≈ {told.accuracy:.2f}"),
                ],
                values={"percent": f"{100 * told.majority:.0f}", "recall": f"{100 * recall:.0f}"},
                reckoned=message("causes.from_rows"),
                explains=("underfitting", "lr-too-low", "stopped-too-early", "label-noise", "wrong-labels"),
            )
        ]


def _decides(case: Case) -> bool:
    """Return whether an evaluation makes decisions of outputs; scores that are only ranked need no balance."""
    program = (op for look in case.views for op in look.ops if op.kind == "function" and op.depth == 0)
    return any(op.name in _THRESHOLDS for op in program)


def _guesses(case: Case, facts: Facts) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the classes that the final network tells of captured rows, and those they have."""
    guesses, targets = [], []
    with held(case):
        for look, met in facts.meets:
            number, target = _outer(look, met.prediction), kept(look, met.target)
            if look not in facts.playable or number is None or target is None:
                continue
            try:
                out = play(look, [number], grad=False)[number].detach()
            except CannotPlay:
                continue
            told = _decided(out, target, met)
            if told is None:
                return None
            guesses.append(told.long().numpy())
            targets.append(target.reshape(-1).long().numpy())
    return (np.concatenate(guesses), np.concatenate(targets)) if guesses else None


def _decided(out: Tensor, target: Tensor, met: Meeting) -> Tensor | None:
    """Return the class of each row by its outputs; None for targets that are no classes."""
    if met.kind in ("cross_entropy", "nll_loss") and out.dim() == 2 and not target.is_floating_point():
        return out.argmax(1)
    if met.kind.startswith("binary_cross_entropy") and out.numel() == target.numel():
        return out.reshape(-1) > (0.0 if met.kind.endswith("logits") else 0.5)
    return None


def _outer(look: Look, number: int) -> int | None:
    """Return the number under which the program itself knows a value."""
    inner = look.inner(number)
    made = {n for op in look.program() for n in op.outputs}
    return next((n for n in made if look.inner(n) == inner), None)
