"""Training in evaluation mode, evaluating in training mode, and statistics that do not fit the data."""

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.steps.graphs import ALL
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, held, loss_of
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_BN = nn.modules.batchnorm._BatchNorm
_DROP = (nn.modules.dropout._DropoutNd,)
_MATTERS = 0.05  # relative difference of outputs between the modes
_WORSE = 2.0  # times: the loss in evaluation mode against that in training mode on the same rows
_AWAY = 0.5  # standard deviations by which the running means miss those of batches


def _acting(module: nn.Module) -> bool:
    """Return whether a module does different things in its two modes."""
    return any(
        (isinstance(m, _DROP) and m.p > 0) or (isinstance(m, _BN) and m.track_running_stats) for m in module.modules()
    )


def _calls(looks: list[Look], *, grad: bool) -> Iterator[tuple[Look, Op]]:
    """Return the calls of whole networks that do different things in their two modes."""
    for look in looks:
        for op in look.ops:
            if op.kind == "module" and op.depth == 0 and op.grad == grad and _acting(op.func):
                yield look, op


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainEvalMode(CaseCheck):
    """Find training steps taken in evaluation mode, and evaluations with dropout or batch statistics on."""

    name: ClassVar[str] = "train-eval-mode"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        return self._training(case, facts) or self._evaluating(case, facts)

    def _training(self, case: Case, facts: Facts) -> list[Finding]:
        calls = [op for _, op in _calls(facts.looks_of(facts.course), grad=True)]
        off = [op for op in calls if op.training is False]
        if len(calls) < 3 or len(off) < 0.6 * len(calls):
            return []
        module = off[-1].func
        switched = [n for n in case.notes if n.kind == "mode" and n.data[0] == id(module) and n.data[1] is False]
        before = bool(off) and any(op.training for op in calls)
        if facts.learnt and not before:
            return []
        place = switched[0].place if switched else off[-1].place
        evidence = [seen("steps_in_eval", len(off) / len(calls), "0")]
        severity = Severity.WARNING if facts.learnt else Severity.CRITICAL
        return [
            found(self.name, severity, 0.97, place=place, evidence=evidence, said="trained-in-eval",
                  explains=(*ALL, "batchnorm-statistics"), where={"step": switched[0].step if switched else None})
        ]  # fmt: skip

    def _evaluating(self, case: Case, facts: Facts) -> list[Finding]:
        if len([c for c in case.courses if c.steps]) > 1:
            return []
        later = [look for look in [*case.views, *case.looks] if look.step > 0]
        calls = list(_calls(later, grad=False))
        if not calls or any(op.training is False for _, op in calls):
            return []
        if any(n.kind == "mode" and n.data[1] is False for n in case.notes):
            return []
        look, op = calls[-1]
        fed = [n for n in op.inputs if n in look.tensors]
        if len(fed) != 1 or _repeated(look, op) or len(calls) < 1:
            return []
        share = _difference(case, op.func, look.tensors[fed[0]])
        if share is None or share < _MATTERS:
            return []
        evidence = [seen("output_difference", share, f"< {_MATTERS}")]
        return [
            found(self.name, Severity.WARNING, 0.93, place=op.place, evidence=evidence, said="evaluated-in-train",
                  values={"percent": f"{100 * share:.0f}"})
        ]  # fmt: skip


def _repeated(look: Look, op: Op) -> bool:
    """Return whether the same rows are passed several times: samples of an answer's uncertainty, on purpose."""
    same = [o for o in look.ops if o.kind == "module" and o.depth == 0 and o.func is op.func and o.inputs == op.inputs]
    return len(same) > 2


def _difference(case: Case, module: nn.Module, rows: Tensor) -> float | None:
    """Return how far outputs in the two modes lie apart, as a share of their spread."""
    with held(case), torch.no_grad():
        rows = rows[:512]
        try:
            module.train()
            noisy = module(rows)
            module.eval()
            calm = module(rows)
        except Exception:
            return None
        if not isinstance(calm, Tensor) or calm.numel() < 2:
            return None
        spread = float(calm.double().std())
        return float((noisy - calm).double().pow(2).mean().sqrt()) / spread if spread else None


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BatchnormStatistics(CaseCheck):
    """Find running statistics far from what the layer sees, so that evaluation is much worse than training."""

    name: ClassVar[str] = "batchnorm-statistics"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        norms = [m for _, m in case.modules() if isinstance(m, _BN) and m.track_running_stats and m.running_mean is not None]
        looks = facts.playable[-4:]
        if not norms or not looks or (len(facts.loss) and not math.isfinite(facts.loss[-1])):
            return []
        with held(case):
            try:
                away, train, evaluated = _measured(norms, looks)
            except CannotPlay:
                return []
        trivial = facts.trivial or facts.start
        worst = max(away, key=lambda pair: pair[1], default=None)
        if worst is None or worst[1] < _AWAY or evaluated < _WORSE * train or evaluated - train < 0.1 * trivial:
            return []
        module = worst[0]
        settled = len(facts.loss) * (module.momentum or 1.0) > 5
        small = min(facts.inputs_rows(look) for look in looks) <= 4
        said = "statistics-slow" if not settled else ("statistics-small-batch" if small else "")
        evidence = [seen("mean_away", worst[1], f"< {_AWAY}"), seen("loss_train_mode", train), seen("loss_eval_mode", evaluated, f"about {train:.3g}")]
        return [
            found(self.name, Severity.CRITICAL, 0.95, place=case.made.get(id(module)), evidence=evidence, said=said,
                  values={"momentum": f"{module.momentum}", "times": f"{evaluated / max(train, 1e-12):.3g}"},
                  where={"layer": case.path(module)}, explains=("overfitting", "train-test-mismatch"))
        ]  # fmt: skip


def _measured(norms: list[Any], looks: list[Look]) -> tuple[list[tuple[Any, float]], float, float]:
    """Return how far each layer's running mean is from its batches', and the losses in both modes."""
    met: dict[int, list[Tensor]] = {id(m): [] for m in norms}

    def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        value = args[0].detach()
        dims = [0, *range(2, value.dim())]
        mean, std = value.mean(dims), value.std(dims)
        stats = module.running_mean
        assert isinstance(stats, Tensor)
        met[id(module)].append(((stats - mean).abs() / (std + 1e-6)).median())

    kept = [(m, m.running_mean.clone(), m.running_var.clone()) for m in norms]
    hooks = [m.register_forward_pre_hook(note) for m in norms]
    try:
        train = sum(float(loss_of(look, grad=False)) for look in looks) / len(looks)
        for module, mean, var in kept:
            module.running_mean.copy_(mean)
            module.running_var.copy_(var)
    finally:
        for hook in hooks:
            hook.remove()
    evaluated = sum(float(loss_of(_evaluating(look), grad=False)) for look in looks) / len(looks)
    return [(m, float(torch.stack(met[id(m)]).mean())) for m in norms if met[id(m)]], train, evaluated


def _evaluating(look: Look) -> Look:
    import copy

    other = copy.copy(look)
    other.ops = [dataclasses.replace(op, training=False) if op.kind == "module" else op for op in look.ops]
    other.plans = {}
    return other


