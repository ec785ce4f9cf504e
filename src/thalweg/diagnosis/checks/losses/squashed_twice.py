"""Probabilities where scores are wanted, and scores where probabilities are."""

import dataclasses
from typing import ClassVar, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.losses.tracing import are_probabilities, kept, meets_of, origin
from thalweg.diagnosis.checks.saying import found, place_of, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_FLOOR = 1e-3  # nats: by how much log-probabilities may miss their sum


def _severity(facts: Facts) -> Severity:
    return Severity.WARNING if facts.learnt else Severity.CRITICAL


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DoubleSoftmax(CaseCheck):
    """Find probabilities that are handed to cross-entropy, which takes the softmax itself."""

    name: ClassVar[str] = "double-softmax"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = [(look, met) for look, met in meets_of(facts, "cross_entropy")]
        if not looks:
            return []
        sure = []
        for look, met in looks:
            value, op = kept(look, met.prediction), origin(look, met.prediction)
            named = op is not None and op.name in ("softmax", "sigmoid", "sigmoid_", "gumbel_softmax")
            told = value is not None and are_probabilities(value)
            sure.append(named or told)
        if not all(sure):
            return []
        look, met = looks[-1]
        op = origin(look, met.prediction)
        classes = look.values[met.prediction].shape[1] if len(look.values[met.prediction].shape) > 1 else 2
        floor = torch.log(torch.tensor(torch.e + classes - 1.0)) - 1
        place = place_of(case, op if op is not None and op.name in ("softmax", "sigmoid") else met.op)
        evidence = [seen("lowest_loss", float(floor), "0"), seen("loss_end", facts.end)]
        values = {"classes": classes, "floor": f"{float(floor):.3f}", "function": op.name if op else "softmax"}
        return [
            found(self.name, _severity(facts), 0.98, place=place, evidence=evidence, values=values,
                  where={"layer": case.path(op.module) if op else None}, explains=_WEAK)
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DoubleSigmoid(CaseCheck):
    """Find probabilities that are handed to a binary cross-entropy that takes the sigmoid itself."""

    name: ClassVar[str] = "double-sigmoid"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = [(look, met) for look, met in meets_of(facts, "binary_cross_entropy_with_logits")]
        ops = [origin(look, met.prediction) for look, met in looks]
        if not looks or not all(op is not None and op.name in ("sigmoid", "sigmoid_", "softmax", "hardsigmoid") for op in ops):
            return []
        op = ops[-1]
        assert op is not None
        evidence = [seen("lowest_loss", 0.313, "0"), seen("loss_end", facts.end)]
        return [
            found(self.name, _severity(facts), 0.98, place=place_of(case, op), evidence=evidence,
                  where={"layer": case.path(op.module)}, values={"function": op.name}, explains=_WEAK)
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LogitsIntoProbabilityLoss(CaseCheck):
    """Find scores that are handed to a loss of (log-)probabilities."""

    name: ClassVar[str] = "logits-into-probability-loss"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        off, last, kind = [], None, ""
        for look, met in meets_of(facts, "nll_loss", "kl_div"):
            value = kept(look, met.prediction)
            if value is None or value.dim() < 2:
                continue
            dim = 1 if met.kind == "nll_loss" else -1
            miss = float(torch.logsumexp(value.float(), dim).abs().max())
            is_wrong = miss > _FLOOR and (met.kind == "nll_loss" or bool((value > 0).any()))
            off.append(is_wrong)
            kind = "probabilities" if are_probabilities(value, dim % value.dim()) else "scores"
            last = (look, met, miss)
        if last is None or not all(off):
            return []
        look, met, miss = last
        op = origin(look, met.prediction)
        own = op is not None and op.place is not None and not (op.module is not None and type(op.module).__module__.startswith("torch.nn.modules.container"))
        place = op.place if own and op is not None else met.op.place
        evidence = [seen("log_sum", miss, "0"), seen("loss_end", facts.end, ">= 0")]
        said = "probabilities-into-log-loss" if kind == "probabilities" else ""
        return [
            found(self.name, Severity.CRITICAL, 0.98, place=place, evidence=evidence, said=said,
                  values={"loss": met.op.name}, explains=(*_WEAK, "loss-sign", "wrong-loss"))
        ]  # fmt: skip


_WEAK = ("lr-too-low", "stopped-too-early", "underfitting", "saturated-units", "vanishing-gradients", "wrong-metric",
         "optimizer-settings", "batch-size", "lr-too-high", "class-imbalance", "output-range")  # fmt: skip
