"""Held-out losses that rise while the training loss falls."""

import dataclasses
from typing import ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import LOSSES
from thalweg.diagnosis.watching import Case, Op
from thalweg.findings import Finding, Picture, Severity

_RISE = 0.15  # of the lowest held-out loss
_FEWEST = 5  # evaluations
_FELL = 0.7  # of the training loss at the lowest held-out loss: to what it has fallen since


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OverfittingSeen(CaseCheck):
    """Find a loss of the script's own evaluations that ends well above its lowest while the training loss falls.

    Weights that are loaded back after training are the best ones, as a rule: then nothing is said.
    """

    name: ClassVar[str] = "overfitting"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if any(load.step >= len(facts.loss) - 1 for load in case.loads) or len(facts.loss) < 20:
            return []
        for op, steps, values in _series(case):
            lowest = int(np.argmin(values))
            if len(values) < _FEWEST or lowest > 0.7 * len(values) or not np.all(np.isfinite(values)):
                continue
            end = float(np.median(values[-3:]))
            noise = float(np.median(np.abs(np.diff(values)))) * 2
            best = float(values[lowest])
            then = _level(facts, int(steps[lowest]))
            if best <= 0 or end - best < max(_RISE * best, noise) or not facts.end < _FELL * then:
                continue
            return [
                found(
                    self.name,
                    Severity.WARNING,
                    0.9,
                    place=op.place,
                    evidence=[
                        seen("held_out_lowest", best),
                        seen("held_out_end", end, f"<= {best * (1 + _RISE):.3g}"),
                        seen("train_then", then),
                        seen("train_end", facts.end),
                    ],
                    where={"step": int(steps[lowest])},
                    picture=Picture(
                        what=message("evidence.held_out_curve"), values=tuple(float(v) for v in values), mark=lowest
                    ),
                    values={"step": int(steps[lowest]), "percent": f"{100 * (end / best - 1):.0f}"},
                    reckoned=message("causes.from_curve"),
                )
            ]
        return []


def _series(case: Case) -> list[tuple[Op, np.ndarray, np.ndarray]]:
    """Return the losses that evaluations came to: (operation, steps, values), by the line that takes them."""
    found: dict[tuple[str, int], list[tuple[int, float, Op]]] = {}
    for look in sorted([*case.views, *case.looks], key=lambda look: look.step):
        for op in look.ops:
            if op.kind != "function" or op.grad or op.name not in LOSSES or op.place is None or not op.outputs:
                continue
            value = next((look.tensors[n] for n in look.tensors if look.inner(n) == op.outputs[0]), None)
            if value is not None and value.numel() == 1:
                found.setdefault((op.place.file, op.place.line), []).append((look.step, float(value), op))
    return [(rows[-1][2], np.array([r[0] for r in rows]), np.array([r[1] for r in rows])) for rows in found.values()]


def _level(facts: Facts, step: int) -> float:
    part = facts.loss[max(0, step - 15) : step + 15]
    return float(np.nanmean(part)) if len(part) else facts.start
