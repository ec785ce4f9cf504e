"""Targets that say nothing of the inputs, are wrong here and there, rare, or come in order."""

import dataclasses
import math
from typing import ClassVar, final

import numpy as np
import torch

from thalweg.core import message
from thalweg.diagnosis.audit import count_classes, find_bad_columns, measure_dependence, measure_label_noise, measure_order
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.data.seen import columns, median_repaired
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note
from thalweg.diagnosis.facts import Facts, kept
from thalweg.diagnosis.replay import CannotPlay, held, play
from thalweg.diagnosis.watching import Case, Look, Place
from thalweg.findings import Finding, Severity

_NOTHING = 0.9  # of the trivial loss: a network that ends above it has learnt nothing
_WRONG = 0.1  # share of wrong labels beyond doubt
_THRESHOLDS = ("gt", "ge", "__gt__", "__ge__", "lt", "__lt__", "argmax", "round", "max", "sign", "eq", "__eq__")
_WEAK = ("lr-too-low", "underfitting", "stopped-too-early", "optimizer-settings", "overfitting", "over-regularized", "lr-too-high", "saddle-point")  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UnshuffledData(CaseCheck):
    """Find batches each of which holds few kinds of target, where the same rows in a random order are learnt."""

    name: ClassVar[str] = "unshuffled-data"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        batches = [t.numpy() for look, met in facts.meets if (t := kept(look, met.target)) is not None and t.dim() and len(t) > 3]
        if facts.learnt or len(batches) < 6:
            return []
        told = measure_order(batches[:40])
        if told is None or not told.sorted:
            return []
        bar = judged(case, facts)
        confirmed = bar is not None and bar.plain.beats(bar.level, share=FAR)
        if bar is not None:
            note(facts, self.name, "shuffled rows", bar.plain.aside, bar.level, confirmed)
        if not confirmed and told.purity < 0.6:
            return []
        place = next((entry.place for entry in case.loaders if entry.batches), None)
        evidence = [seen("purity", told.purity, "about 0")]
        if bar is not None:
            evidence += [seen("level_end", bar.level), seen("level_changed", bar.plain.aside)]
        return [
            found(self.name, Severity.CRITICAL, 0.95 if confirmed else 0.75, place=place or (facts.course.place if facts.course else None),
                  evidence=evidence, values={"percent": f"{100 * told.purity:.0f}"}, reckoned=message("causes.from_order"),
                  explains=(*_WEAK, "class-imbalance", "dead-relu", "label-noise", "wrong-labels", "schedule-misstepped", "batch-size"))
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClassImbalance(CaseCheck):
    """Find a rare class that the decisions of an evaluation, at the script's own threshold, hardly ever find."""

    name: ClassVar[str] = "class-imbalance"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if not facts.meets or not _decides(case) or (len(facts.loss) and not math.isfinite(facts.loss[-1])):
            return []
        guesses, targets = _guesses(case, facts)
        if guesses is None or targets is None:
            return []
        told = count_classes(targets, guesses)
        if told is None or told.majority < 0.85 or not told.missed:
            return []
        rare = told.classes.index(told.missed[0])
        evidence = [seen("majority_share", told.majority, "< 0.85"), seen("rare_recall", told.recall[rare], f"about {told.accuracy:.2f}")]
        met = facts.meets[-1][1]
        module = met.op.module
        place = case.made.get(id(module)) if module is not None else None
        return [
            found(self.name, Severity.WARNING, 0.88, place=place or met.op.place, evidence=evidence,
                  values={"percent": f"{100 * told.majority:.0f}", "recall": f"{100 * told.recall[rare]:.0f}"}, reckoned=message("causes.from_rows"),
                  explains=("underfitting", "lr-too-low", "stopped-too-early", "label-noise", "wrong-labels"))
        ]  # fmt: skip


def _decides(case: Case) -> bool:
    """Return whether an evaluation makes decisions of outputs; scores that are only ranked need no balance."""
    return any(op.kind == "function" and op.depth == 0 and op.name in _THRESHOLDS for look in case.views for op in look.ops)


def _guesses(case: Case, facts: Facts) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the classes that the final network tells of captured rows, and those they have."""
    guesses, targets = [], []
    with held(case):
        for look, met in facts.meets:
            if look not in facts.playable:
                continue
            number = _outer(look, met.prediction)
            if number is None:
                continue
            try:
                out = play(look, [number], grad=False)[number].detach()
            except CannotPlay:
                continue
            target = kept(look, met.target)
            if target is None:
                continue
            if met.kind in ("cross_entropy", "nll_loss") and out.dim() == 2 and not target.is_floating_point():
                guesses.append(out.argmax(1).numpy())
            elif met.kind.startswith("binary_cross_entropy") and out.numel() == target.numel():
                limit = 0.0 if met.kind.endswith("logits") else 0.5
                guesses.append((out.reshape(-1) > limit).long().numpy())
            else:
                return None, None
            targets.append(target.reshape(-1).long().numpy())
    return (np.concatenate(guesses), np.concatenate(targets)) if guesses else (None, None)


def _outer(look: Look, number: int) -> int | None:
    inner = look.inner(number)
    made = {n for op in look.program() for n in op.outputs}
    return next((n for n in made if look.inner(n) == inner), None)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LabelNoise(CaseCheck):
    """Find labels that disagree as often where a model is sure as elsewhere: they are wrong, not hard."""

    name: ClassVar[str] = "label-noise"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        pairs = facts.pairs
        if pairs is None or pairs[1].is_floating_point() or pairs[1].dim() != 1 or pairs[0].dim() < 2 or not pairs[0].is_floating_point():
            return []
        if facts.fit is not None and facts.fit.share < 0.15 and not _gap(case):
            return []
        told = measure_label_noise(pairs[0].numpy(), pairs[1].numpy())
        if told is None or not told.flipped or told.low < _WRONG:
            return []
        evidence = [seen("wrong_share", told.rate, "0"), seen("wrong_low", told.low), seen("wrong_high", told.high)]
        return [
            found(self.name, Severity.WARNING if told.rate < 0.2 else Severity.CRITICAL, 0.88, place=facts.meets[-1][1].op.place,
                  evidence=evidence, values={"percent": f"{100 * told.rate:.0f}"}, reckoned=message("causes.from_sure_rows"), explains=(*_WEAK, "wrong-labels"))
        ]  # fmt: skip


def _gap(case: Case) -> bool:
    return bool(case.views)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WrongLabels(CaseCheck):
    """Find targets of which neither the network, nor any change to its training, nor other models learn anything."""

    name: ClassVar[str] = "wrong-labels"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost or facts.pairs is None or facts.trivial is None or len(facts.loss) < 100:
            return []
        if not facts.is_plain or bar.level < _NOTHING * facts.trivial or any(h.holds for h in facts.hypotheses) or not facts.pairs[0].is_floating_point():
            return []
        told = measure_dependence(facts.pairs[0].numpy(), facts.pairs[1].numpy())
        if told is None or not told.independent:
            return []
        evidence = [seen("outside_models", told.score, f"> {told.chance:.2g}"), seen("level_end", bar.level), seen("trivial_loss", facts.trivial)]
        return [
            found(self.name, Severity.CRITICAL, 0.8, place=facts.meets[-1][1].op.place, evidence=evidence, reckoned=message("causes.from_other_models"),
                  explains=("underfitting", "label-noise"))
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BadColumns(CaseCheck):
    """Find codes for missing values that take up a column's scale, where training learns once they are filled in."""

    name: ClassVar[str] = "bad-columns"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or facts.pairs is None or facts.pairs[0].dim() != 2 or not facts.pairs[0].is_floating_point():
            return []
        told = find_bad_columns(columns(facts.pairs[0]))
        odd = [s for s in told.sentinels if s.left < 0.3]
        if not odd:
            return []
        repaired = bar.bench.x
        for mark in odd:
            repaired = median_repaired(repaired, mark.column, mark.values)
        spread = repaired.double().std(0)
        repaired = ((repaired.double() - repaired.double().mean(0)) / torch.where(spread > 1e-12, spread, 1.0)).to(bar.bench.x.dtype)
        bar.bench.others["repaired"] = repaired
        trial = bar.bench.trial("filled in", scaled="repaired")
        holds = trial.beats(min(bar.level, bar.plain.aside), share=0.75)
        note(facts, self.name, "codes filled in", trial.aside, bar.level, holds)
        if not holds:
            return []
        worst = max(odd, key=lambda mark: mark.gap)
        evidence = [seen("code_value", worst.values[0]), seen("code_share", worst.share), seen("left_spread", worst.left, "about 1"), seen("level_end", bar.level), seen("level_changed", trial.aside)]
        return [
            found(self.name, Severity.CRITICAL, 0.94, place=_fed(case), evidence=evidence, reckoned=message("causes.from_trial", times=f"{bar.level / max(trial.aside, 1e-12):.3g}", steps=trial.steps),
                  values={"column": worst.column, "count": len(odd), "percent": f"{100 * worst.share:.0f}"},
                  explains=(*_WEAK, "unscaled-inputs", "wrong-labels", "label-noise", "shrunken-inputs"))
        ]  # fmt: skip


def _fed(case: Case) -> Place | None:
    return next((root.place for root in case.roots if root.trained), None)
