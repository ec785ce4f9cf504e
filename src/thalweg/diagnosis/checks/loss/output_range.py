"""An output activation whose values cannot reach what the loss asks for."""

import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import critical_unless_learnt, seen, tell
from thalweg.diagnosis.checks.loss.tracing import Reach, kept, meets_of, origin, reach
from thalweg.diagnosis.checks.saying import place_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_OUTSIDE = 0.05  # of the targets' variance, or of the targets: what cannot be reached, above which it matters
_REGRESSIONS = ("mse_loss", "l1_loss", "squared", "absolute")
_BOUNDED = (
    "tanh",
    "tanh_",
    "softsign",
    "hardtanh",
    "relu",
    "relu_",
    "relu6",
    "softplus",
    "sin",
    "cos",
    "elu",
    "log_softmax",
    "logsigmoid",
)
_EXPLAINS = (
    "lr-too-high",
    "lr-too-low",
    "underfitting",
    "saturated-units",
    "unscaled-targets",
    "vanishing-gradients",
    "dead-relu",
    "stopped-too-early",
    "optimizer-settings",
    "loss-sign",
    "overfitting",
    "batch-size",
    "exploding-gradients",
    "wrong-labels",
    "data-leak",
    "saddle-point",
    "label-noise",
    "over-regularized",
    "bad-init-scale",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OutputRange(CaseCheck):
    """Find an output whose values, however scaled, cannot reach the targets, or the scores that a loss needs."""

    name: ClassVar[str] = "output-range"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        return self._targets(case, facts) or self._scores(case, facts) or self._shares(case, facts)

    def _targets(self, case: Case, facts: Facts) -> list[Finding]:
        ends, targets = [], []
        for look, met in meets_of(facts, *_REGRESSIONS, "poisson"):
            end, target = _reach_of(look, met), kept(look, met.target)
            if end is None or target is None or target.is_complex():
                return []
            ends.append(end)
            targets.append(target.double().flatten())
        if not ends or any((end.low, end.high) != (ends[-1].low, ends[-1].high) for end in ends):
            return []
        end, target = ends[-1], torch.cat(targets)
        missed = end.misses(target)
        share, left = float((missed > 1e-3).double().mean()), _unreachable(missed, target)
        if share <= _OUTSIDE or left <= _OUTSIDE:
            return []
        evidence = [
            seen("targets_outside", share, f"<= {_OUTSIDE}"),
            seen("variance_outside", left, f"<= {_OUTSIDE}"),
            seen("target_lowest", float(target.min()), f">= {end.low:g}"),
            seen("target_highest", float(target.max()), f"<= {end.high:g}"),
        ]
        values = {
            "function": end.op.name.rstrip("_"),
            "low": f"{end.low:g}",
            "high": f"{end.high:g}",
            "percent": f"{100 * share:.0f}",
        }
        severity = Severity.CRITICAL if left > 0.2 else Severity.WARNING
        return [
            tell(
                self.name,
                severity,
                0.97,
                place=place_of(case, end.op),
                evidence=evidence,
                values=values,
                layer=case.path(end.op.module),
                explains=_EXPLAINS,
            )
        ]

    def _scores(self, case: Case, facts: Facts) -> list[Finding]:
        """Find scores that are squashed before a loss that takes any number: no probability comes near 0 or 1."""
        found = []
        for look, met in meets_of(facts, "cross_entropy", "binary_cross_entropy_with_logits"):
            end = reach(look, met.prediction)
            if end is None or end.op.name not in _BOUNDED or (floor := _floor(look, met, end)) is None:
                return []
            found.append((end, floor))
        if not found:
            return []
        end, floor = found[-1]
        values = {
            "function": end.op.name.rstrip("_"),
            "low": f"{end.low:g}",
            "high": f"{end.high:g}",
            "floor": f"{floor:.2g}",
        }
        evidence = [seen("lowest_loss", floor, "0"), seen("loss_end", facts.end)]
        return [
            tell(
                self.name,
                critical_unless_learnt(facts),
                0.93,
                place=place_of(case, end.op),
                said="scores-squashed",
                evidence=evidence,
                values=values,
                layer=case.path(end.op.module),
                explains=_EXPLAINS,
            )
        ]

    def _shares(self, case: Case, facts: Facts) -> list[Finding]:
        """Find a softmax whose targets do not sum to one: several labels at once."""
        sums: list[float] = []
        last: Op | None = None
        for look, met in meets_of(facts, "binary_cross_entropy", *_REGRESSIONS):
            op, target = origin(look, met.prediction), kept(look, met.target)
            if op is None or op.name != "softmax" or target is None or target.dim() < 2 or target.shape[-1] < 2:
                return []
            if not bool(((target == 0) | (target == 1)).all()):
                return []
            last, sums = op, [*sums, float((target.sum(-1) != 1).double().mean())]
        if last is None or (share := sum(sums) / len(sums)) <= _OUTSIDE:
            return []
        evidence = [seen("rows_not_one", share, "0")]
        return [
            tell(
                self.name,
                Severity.CRITICAL if share > 0.2 else Severity.WARNING,
                0.95,
                place=place_of(case, last),
                said="softmax-for-many-labels",
                evidence=evidence,
                values={"percent": f"{100 * share:.0f}"},
                layer=case.path(last.module),
                explains=(*_EXPLAINS, "wrong-loss"),
            )
        ]


def _reach_of(look: Look, met: Meeting) -> Reach | None:
    """Return the interval of what is compared with the targets: of the rate, where a Poisson loss takes logarithms."""
    end = reach(look, met.prediction)
    if end is None or met.kind != "poisson":
        return end
    takes_log = met.op.kwargs.get("log_input", met.op.args[2] if len(met.op.args) > 2 else True)
    if takes_log is False:
        return end
    return Reach(end.op, math.exp(end.low), math.exp(end.high) if end.high < 700 else math.inf)


def _unreachable(missed: Tensor, target: Tensor) -> float:
    variance = float(target.var(unbiased=False)) if len(target) > 1 else 0.0
    return float((missed**2).mean()) / variance if variance > 0 else float((missed > 1e-3).any())


def _floor(look: Look, met: Meeting, end: Reach) -> float | None:
    """Return the loss that no scores in an interval can go below; None where it hardly matters."""
    width = end.high - end.low
    if met.kind == "cross_entropy":
        shape = look.values[met.prediction].shape
        classes = shape[1] if len(shape) > 1 else 2
        floor = math.log1p((classes - 1) * math.exp(-width)) if math.isfinite(width) else 0.0
        return floor if floor > _OUTSIDE * math.log(max(classes, 2)) else None
    worst = max(math.log1p(math.exp(min(50.0, end.low))), math.log1p(math.exp(min(50.0, -end.high))))
    return worst if worst > _OUTSIDE * math.log(2) else None
