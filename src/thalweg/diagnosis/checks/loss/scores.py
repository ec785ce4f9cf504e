"""Scores, or probabilities, that are handed to a loss of log-probabilities or of probabilities."""

import dataclasses
from typing import ClassVar, final

import torch
from torch import nn

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.checks.loss.tracing import CLAMPS, are_probabilities, kept, origin
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.watching import Case, Look, Op, Place
from thalweg.findings import Finding, Severity

_FLOOR = 1e-2  # nats: by how much log-probabilities may miss their sum
_LOGS = ("log_softmax", "logsumexp", "log", "logsigmoid", "log1p", "log_", "log10", "log2", "logaddexp")
_CUT = 0.2  # of the entries outside [0, 1]: more than a probability's rounding
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
    "loss-sign",
    "wrong-loss",
    "non-finite",
    "exploding-gradients",
    "overfitting",
    "loss-clamped",
    "loss-scale",
    "saddle-point",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LogitsIntoProbabilityLoss(CaseCheck):
    """Find scores that are handed to a loss of log-probabilities, or cut off to pass for probabilities.

    Log-probabilities x of C classes have log(sum exp x) = 0. Whoever weights or masks them has taken a logarithm on the
    way, and is left alone.
    """

    name: ClassVar[str] = "logits-into-probability-loss"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        told = [(look, met, miss) for look, met in facts.meets if (miss := _miss(look, met)) is not None]
        wrong = [(look, met, miss) for look, met, miss in told if miss > 0]
        if not wrong or len(wrong) < len(told) or len(told) < 0.5 * len(facts.meets):
            return []
        look, met, miss = wrong[-1]
        value = kept(look, met.prediction)
        dim = _class_axis(look, met)
        said = None
        if value is not None and met.kind != "binary_cross_entropy" and are_probabilities(value, dim):
            said = "probabilities-into-log-loss"
        elif met.kind in ("binary_cross_entropy", "poisson"):
            said = "scores-cut-off" if met.kind == "binary_cross_entropy" else "scores-into-rate-loss"
        healthy = {"binary_cross_entropy": "0", "poisson": ">= 0"}.get(met.kind, "0")
        what = {"binary_cross_entropy": "outside", "poisson": "below_zero"}.get(met.kind, "log_sum")
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.98,
                place=_place(case, look, met),
                said=said,
                explains=_EXPLAINS,
                evidence=[seen(what, miss, healthy), seen("loss_end", facts.end)],
                values={"loss": met.op.name},
            )
        ]


def _miss(look: Look, met: Meeting) -> float | None:
    """Return by how much a prediction is not what its loss wants: 0 where it is, None where that cannot be told."""
    if met.kind in ("nll_loss", "kl_div", "ctc"):
        value = kept(look, met.prediction)
        if value is None or value.dim() < 1:
            return None
        if any(op.name in _LOGS and look.values[op.outputs[0]].requires_grad for op in look.trail(met.prediction)):
            return 0.0
        miss = float(torch.logsumexp(value.float(), _class_axis(look, met)).abs().max())
        return miss if miss > _FLOOR else 0.0
    if met.kind == "binary_cross_entropy":
        return _cut_off(look, met)
    if (
        met.kind == "poisson"
        and met.op.kwargs.get("log_input", met.op.args[2] if len(met.op.args) > 2 else True) is False
    ):
        value = kept(look, met.prediction)
        return None if value is None else float((value < 0).double().mean())
    return None


def _cut_off(look: Look, met: Meeting) -> float | None:
    """Return the share of what is handed on as probabilities that lies outside [0, 1] before it is cut off."""
    op = look.source(met.prediction)
    if op is None or op.name not in CLAMPS or not op.inputs:
        return None
    value = kept(look, op.inputs[0])
    if value is None or (made := origin(look, op.inputs[0])) is None or made.name in ("sigmoid", "softmax"):
        return None
    share = float(((value < 0) | (value > 1)).double().mean())
    return share if share > _CUT else 0.0


def _class_axis(look: Look, met: Meeting) -> int:
    rank = len(look.values[met.prediction].shape)
    return rank - 1 if met.kind != "nll_loss" or rank == 1 else 1


def _place(case: Case, look: Look, met: Meeting) -> Place | None:
    """Return the line to change: the output's; a distillation needs its scores elsewhere, so there it is the loss's."""
    op = origin(look, met.prediction) if met.kind == "nll_loss" else None
    if op is None:
        return met.op.place
    made = case.made.get(id(op.module)) if _is_listed(case, op) else None
    return made or op.place or met.op.place


def _is_listed(case: Case, op: Op) -> bool:
    """Return whether a layer stands in a Sequential: then the line that calls it says nothing."""
    for root in case.roots:
        for module in root.module.modules():
            if isinstance(module, nn.Sequential) and any(child is op.module for child in module):
                return True
    return False
