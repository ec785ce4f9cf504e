"""Targets that a loss, an output or a shape does not fit."""

import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.losses.tracing import SQUASHES, are_probabilities, kept, meets_of, origin
from thalweg.diagnosis.checks.saying import found, place_of, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_OUTSIDE = 0.05  # share of targets that an output cannot reach, above which the loss has a floor that matters
_EXPLAINS = ("lr-too-high", "lr-too-low", "underfitting", "saturated-units", "unscaled-targets", "vanishing-gradients",
             "dead-relu", "stopped-too-early", "optimizer-settings", "loss-sign", "overfitting", "batch-size",
             "exploding-gradients", "wrong-labels", "data-leak")  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WrongLoss(CaseCheck):
    """Find a loss for another kind of target: real numbers in a cross-entropy, negative counts in a Poisson loss."""

    name: ClassVar[str] = "wrong-loss"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        hits, last, lowest, highest = 0, None, math.inf, -math.inf
        for look, met in facts.meets:
            target = kept(look, met.target)
            if target is None or not _misfits(met.kind, target):
                continue
            hits, last = hits + 1, (look, met)
            lowest, highest = min(lowest, float(target.min())), max(highest, float(target.max()))
        if last is None or hits < 0.9 * len(facts.meets):
            return []
        _, met = last
        evidence = [seen("target_lowest", lowest, "0"), seen("target_highest", highest, "1")]
        return [
            found(self.name, Severity.CRITICAL, 0.98, place=met.op.place, evidence=evidence,
                  values={"loss": met.op.name}, explains=_EXPLAINS)
        ]  # fmt: skip


def _misfits(kind: str, target: Tensor) -> bool:
    if kind in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
        return bool((target < 0).any() or (target > 1).any())
    if kind == "cross_entropy" and target.is_floating_point() and target.dim() > 1:
        return not are_probabilities(target) and bool((target < 0).any() or (target.sum(1) > 1.5).any())
    return kind == "poisson" and bool((target < 0).any())


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OutputRange(CaseCheck):
    """Find an output activation whose values cannot reach the targets."""

    name: ClassVar[str] = "output-range"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        shares, last = [], None
        for look, met in meets_of(facts, "mse_loss", "l1_loss", "squared", "absolute"):
            op, target = origin(look, met.prediction), kept(look, met.target)
            if op is None or op.name not in SQUASHES or target is None:
                return []
            low, high = SQUASHES[op.name]
            shares.append(float(((target < low - 1e-3) | (target > high + 1e-3)).double().mean()))
            last = (op, target, low, high)
        if last is None or (share := sum(shares) / len(shares)) <= _OUTSIDE:
            return []
        op, target, low, high = last
        evidence = [
            seen("targets_outside", share, f"<= {_OUTSIDE}"),
            seen("target_lowest", float(target.min()), f">= {low:g}"),
            seen("target_highest", float(target.max()), f"<= {high:g}"),
        ]
        values = {"function": op.name.rstrip("_"), "low": f"{low:g}", "high": f"{high:g}", "percent": f"{100 * share:.0f}"}
        severity = Severity.CRITICAL if share > 0.2 else Severity.WARNING
        return [
            found(self.name, severity, 0.97, place=place_of(case, op), evidence=evidence, values=values,
                  where={"layer": case.path(op.module)}, explains=_EXPLAINS)
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossBroadcast(CaseCheck):
    """Find predictions and targets of one size but two shapes, so that each is compared with all."""

    name: ClassVar[str] = "loss-broadcast"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        last, hits = None, 0
        for look, met in meets_of(facts, "mse_loss", "l1_loss", "squared", "absolute", "gaussian", "poisson", "other"):
            a, b = look.values[met.prediction].shape, look.values[met.target].shape
            size = math.prod(a)
            if size != math.prod(b) or size < 2 or a == b:
                continue
            try:
                spread = torch.broadcast_shapes(a, b)
            except RuntimeError:
                continue
            if math.prod(spread) > size and [n for n in a if n > 1] == [n for n in b if n > 1]:
                hits, last = hits + 1, (look, met, a, b)
        if last is None or hits < 0.8 * len(facts.meets):
            return []
        look, met, a, b = last
        op = origin(look, met.prediction)
        module = op.module if op is not None else None
        place = (op.place if op is not None else None) or met.op.place
        values = {"prediction": str(tuple(a)), "target": str(tuple(b)), "count": math.prod(a) ** 2}
        evidence = [seen("compared", math.prod(a) ** 2, f"{math.prod(a)}")]
        return [
            found(self.name, Severity.CRITICAL, 0.99, place=place, evidence=evidence, values=values,
                  where={"layer": case.path(module)}, explains=_EXPLAINS)
        ]  # fmt: skip

