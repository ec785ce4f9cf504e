"""A loss that grows with the batch, or whose terms are reduced in different ways."""

import dataclasses
import math
from typing import ClassVar, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import meetings
from thalweg.diagnosis.replay import CannotPlay, held, leaves, loss_of, rerun
from thalweg.diagnosis.watching import Case, Look
from thalweg.findings import Finding, Severity

_TWICE = (1.9, 2.1)
_LEFT = 0.8  # of the trivial loss: a term that stays above it has hardly been learnt
_HELPS = 0.75  # of what was left: what a term must fall to when it weighs more


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossScale(CaseCheck):
    """Find a loss summed over the batch, so that steps grow with it, where training broke or hardly learnt.

    Doubling every row of a batch doubles such a loss. A summed loss that trains well is left alone.
    """

    name: ClassVar[str] = "loss-scale"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if facts.learnt or not facts.playable:
            return []
        look = facts.playable[0]
        rows = _rows(look)
        with held(case) as lent:
            lent.to_start()
            try:
                ratio = _doubled(look, rows)
                if not ratio or not _TWICE[0] < ratio < _TWICE[1] or rows < 4:
                    return []
                looks = facts.playable[:20]
                plain = rerun(facts.course, looks, 60, until=facts.until)  # type: ignore[arg-type]
                lent.to_start()
                mean = rerun(facts.course, looks, 60, rate=1 / rows, until=facts.until)  # type: ignore[arg-type]
            except CannotPlay:
                return []
        before, after = _level(plain), _level(mean)
        if not after < 0.7 * min(before, mean[0]):
            return []
        met = next(iter(meetings(look)), None)
        place = met.op.place if met else None
        module = met.op.module if met else None
        place = case.made.get(id(module), place) if module is not None else place
        evidence = [seen("doubled_batch", ratio, "1"), seen("loss_as_is", before), seen("loss_as_mean", after)]
        return [
            found(self.name, Severity.CRITICAL, 0.96, place=place, evidence=evidence, values={"rows": rows},
                  explains=("lr-too-high", "non-finite", "exploding-gradients", "dead-relu", "saturated-units", "unscaled-targets", "unscaled-inputs", "optimizer-settings"))
        ]  # fmt: skip


def _level(losses: list[float]) -> float:
    if not losses or not math.isfinite(losses[-1]):
        return math.inf
    tail = losses[-10:]
    return sum(tail) / len(tail)


def _rows(look: Look) -> int:
    met = next(iter(meetings(look)), None)
    shape = look.values[met.target].shape if met else ()
    return shape[0] if shape else 0


def _doubled(look: Look, rows: int) -> float | None:
    """Return by how much the loss grows when every row comes twice."""
    twice = {n: torch.cat([t, t]) for n in leaves(look) if (t := look.tensors[n]).dim() and len(t) == rows}
    if not twice:
        return None
    one = float(loss_of(look, grad=False))
    two = float(loss_of(look, swap=twice, grad=False))
    return two / one if one else None


