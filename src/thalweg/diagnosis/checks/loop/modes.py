"""Training in evaluation mode and evaluation in training mode."""

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import nn

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.batchnorm import measured
from thalweg.diagnosis.checks.loop.evaluations import (
    DROPOUTS,
    NORMS,
    Call,
    Still,
    evaluation_calls,
    in_mode,
    trained_models,
    training_calls,
)
from thalweg.diagnosis.checks.loop.telling import critical_unless_learnt, seen, tell
from thalweg.diagnosis.checks.loop.threads import reached, steps_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, can_play, held, losses_of, play
from thalweg.diagnosis.watching import Case, Look, Place
from thalweg.findings import Finding, Severity

_MOST = 0.5  # of the calls
_REPEATS = 3  # passes of the same rows from which they are samples of one answer
_MATTERS = 0.1  # of the loss, or of the outputs' spread: what the mode must change
_OFF = 0.5  # standard deviations by which running means may miss what they normalise
_LOOKS = 12
_SPOILS = (
    "overfitting",
    "underfitting",
    "stopped-too-early",
    "over-regularized",
    "wrong-metric",
    "lr-too-low",
    "batch-size",
    "lr-too-high",
    "train-test-mismatch",
)
_TRAINS = (
    *_SPOILS,
    "batchnorm-statistics",
    "vanishing-gradients",
    "exploding-gradients",
    "dead-relu",
    "bad-init-scale",
    "saddle-point",
    "optimizer-settings",
    "unscaled-inputs",
    "saturated-units",
    "non-finite",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainEvalMode(CaseCheck):
    """Find steps taken in evaluation mode, and evaluations with dropout or batch statistics on.

    A mode is wrong where it matters. Batch norms kept in evaluation mode are healthy if their statistics fit what they
    normalise, and a network without dropout or batch norm has but one mode. Evaluations in training mode are compared
    with the other mode on the same captured batches; passing the same rows several times is done on purpose.
    """

    name: ClassVar[str] = "train-eval-mode"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        found = self._trained(case, facts) or self._evaluated(case, facts)
        return [found] if found is not None else []

    def _trained(self, case: Case, facts: Facts) -> Finding | None:
        looks = steps_of(case, facts.course) if facts.course else []
        for model in trained_models(case):
            if _has_modes(model) and looks and (found := self._off(case, facts, looks, model)) is not None:
                return found
        return None

    def _off(self, case: Case, facts: Facts, looks: Sequence[Look], model: nn.Module) -> Finding | None:
        by_look = [[call for call in training_calls(case, [look]) if call.op.func is model] for look in looks]
        calls = [found for found in by_look if found]
        off = [found[-1] for found in calls if not any(call.op.training for call in found)]
        for_good = _turned_off(case, model)
        share = max(len(off) / max(1, len(calls)), for_good.share if off else 0.0)
        if len(calls) < 3 or share <= _MOST:
            return None
        misses = _statistics_miss(case, looks, model)
        drops = any(isinstance(m, DROPOUTS) and m.p > 0 for m in model.modules()) and _learns_mostly(looks[-1], model)
        if not misses and not drops:
            return None
        evidence = [seen("steps_in_evaluation_mode", share, "0")]
        return tell(
            self.name,
            critical_unless_learnt(facts) if misses else Severity.WARNING,
            0.97 if misses or len(off) < len(calls) else 0.85,
            said="trained-in-eval" if misses else "trained-without-dropout",
            place=for_good.place or calls[-1][-1].op.place,
            evidence=[*evidence, seen("mean_off", misses, f"< {_OFF}")] if misses else evidence,
            values={"percent": f"{100 * share:.0f}"},
            where={"step": for_good.step},
            explains=_TRAINS if misses else _SPOILS,
        )

    def _evaluated(self, case: Case, facts: Facts) -> Finding | None:
        calls = [call for call in evaluation_calls(case) if _has_modes(call.op.func) or call.dropping]
        wrong = [call for call in calls if call.dropping or call.normalising]
        if not wrong or len(wrong) <= _MOST * len(calls) or wrong[-1] is not calls[-1] or _is_sampling(case, wrong):
            return None
        last = wrong[-1]
        harm = _harm(case, facts, last)
        if harm is None:
            return None
        loss, other, change = harm
        functional = last.op.training is False and bool(last.dropping)
        place = last.dropping[-1].place if functional else last.op.place
        evidence = [seen("outputs_changed", change, f"< {_MATTERS}")]
        if math.isfinite(loss):
            evidence += [seen("loss_training_mode", loss, f"{other:.3g}"), seen("loss_evaluation_mode", other)]
        said = (
            "dropout-always-on"
            if functional
            else ("evaluated-with-dropout" if last.dropping else "evaluated-with-batch-statistics")
        )
        return tell(
            self.name,
            Severity.WARNING,
            0.94,
            said=said,
            place=place,
            values={"percent": f"{100 * change:.0f}", "count": len(wrong)},
            evidence=evidence,
            reckoned="tried",
            explains=(*_SPOILS, "batchnorm-statistics") if last.normalising else _SPOILS,
        )


def _has_modes(model: nn.Module) -> bool:
    """Return whether a model does different things in its two modes."""
    return any(
        (isinstance(m, DROPOUTS) and m.p > 0)
        or (isinstance(m, NORMS) and m.running_mean is not None)
        or (isinstance(m, nn.RNNBase) and m.dropout > 0 and m.num_layers > 1)
        or (isinstance(m, nn.MultiheadAttention) and m.dropout > 0)
        for m in model.modules()
    )


def _learns_mostly(look: Look, model: nn.Module) -> bool:
    """Return whether most of a model learns: beside a frozen body nothing need drop out."""
    parameters = list(model.parameters())
    learning = sum(p.numel() for p in parameters if id(p) in reached(look))
    return learning > _MOST * sum(p.numel() for p in parameters)


def _mean(losses: Sequence[float]) -> float:
    return float(np.mean(losses))


@dataclasses.dataclass(frozen=True)
class _Off:
    """Say where and when a model was put into evaluation mode for good, and the share of steps that came after."""

    share: float = 0.0
    step: int | None = None
    place: Place | None = None


def _turned_off(case: Case, model: nn.Module) -> _Off:
    switches = [note for note in case.notes if note.kind == "mode" and note.data and note.data[0] == id(model)]
    if not switches or switches[-1].data[1] or not case.steps:
        return _Off()
    last = switches[-1]
    return _Off(1 - last.step / case.steps, last.step, last.place)


def _statistics_miss(case: Case, looks: Sequence[Look], model: nn.Module) -> float:
    """Return by how far running means miss what they normalise, 0 where they fit or there are none."""
    if not any(isinstance(m, NORMS) and m.running_mean is not None for m in model.modules()):
        return 0.0
    norms = measured(case, [look for look in looks if can_play(look)][-_LOOKS:])
    if norms is None:
        return 0.0
    worst = max(norms.off.values())
    return worst if worst > _OFF or norms.mended < 0.7 * norms.evaluation else 0.0


def _is_sampling(case: Case, calls: Sequence[Call]) -> bool:
    """Return whether the same rows were passed several times: samples of an answer, whose spread is wanted."""
    last = calls[-1]
    same = [
        call
        for call in calls
        if call.look.step == last.look.step and call.op.func is last.op.func and _rows(call) == _rows(last)
    ]
    return len(same) >= _REPEATS


def _rows(call: Call) -> tuple[Any, ...]:
    """Return what tells one set of rows from another: where they lie in memory, and which values they begin with."""
    found: list[Any] = []
    for number in call.op.inputs:
        tensor = call.look.tensors.get(number)
        found += [] if tensor is None else [tuple(tensor.shape), float(tensor.detach().double().sum())]
    return tuple(found)


def _harm(case: Case, facts: Facts, call: Call) -> tuple[float, float, float] | None:
    """Return (loss as evaluated, loss in the other mode, change of outputs) where the mode matters, None where not."""
    looks = [look for look in (steps_of(case, facts.course) if facts.course else []) if can_play(look)][-_LOOKS:]
    change = _change(case, call)
    if change is None or change < _MATTERS:
        return None
    if not looks:
        return math.nan, math.nan, change
    with held(case):
        try:
            noisy = _mean(losses_of([in_mode(look, True) for look in looks]))
            with Still():
                calm = _mean(losses_of([in_mode(look, False) for look in looks]))
        except CannotPlay:
            return math.nan, math.nan, change
    better = calm < (1 - _MATTERS) * noisy
    batches = bool(call.normalising) and calm < 1.2 * noisy + 1e-3 and change > 3 * _MATTERS
    return (noisy, calm, change) if better or batches else None


def _change(case: Case, call: Call) -> float | None:
    """Return how far outputs in the two modes lie apart, as a share of their spread over rows."""
    with held(case), torch.no_grad():
        try:
            values = {}
            for mode in (True, False):
                look = in_mode(call.look, mode)
                with contextlib.nullcontext() if mode else Still():
                    outputs = play(look, call.op.outputs[:1], grad=False)
                values[mode] = outputs[call.op.outputs[0]].double()
        except CannotPlay:
            return None
    spread = float(values[False].std()) if values[False].numel() > 1 else 0.0
    return float((values[True] - values[False]).pow(2).mean().sqrt()) / spread if spread else None
