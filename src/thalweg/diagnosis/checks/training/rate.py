"""The rate, its schedule and the settings of the rule, told apart by trying each alone."""

import dataclasses
import math
from typing import Any, ClassVar, final

import numpy as np

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS, Trial
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, Judged, judged, note
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Evidence, Finding, Picture, Severity

GONE = 1e-2  # of its largest value: a rate that has practically gone
_DOWN, _UP = (0.1, 0.01), (10.0, 100.0, 1000.0)
_DEFAULTS: dict[str, tuple[float, ...]] = {"eps": (1e-8,), "momentum": (0.9, 0.0)}
_SYMPTOMS = ("dead-relu", "vanishing-gradients", "saturated-units", "exploding-gradients", "non-finite", "underfitting",
             "stopped-too-early", "class-imbalance", "saddle-point", "wrong-labels")  # fmt: skip


def _evidence(bar: Judged, trial: Trial) -> list[Evidence]:
    return [
        seen("level_end", bar.level),
        seen("level_plain", bar.plain.aside if math.isfinite(bar.plain.aside) else math.nan),
        seen("level_changed", trial.aside),
    ]


def _picture(facts: Facts) -> Picture:
    loss = facts.loss
    step = max(1, len(loss) // 60)
    return Picture(what=message("evidence.loss_curve"), values=tuple(float(v) for v in loss[::step]))


def _reckoned(bar: Judged, trial: Trial) -> Any:
    times = bar.level / trial.aside if trial.aside > 0 else math.inf
    return message("causes.from_trial", times=f"{times:.3g}", steps=trial.steps)


def _sure(bar: Judged, trial: Trial) -> float:
    """Return a confidence: the farther below, the surer."""
    return min(0.95, 0.7 + 0.1 * math.log10(max(1.0, bar.level / max(trial.aside, 1e-12))) * 2)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScheduleMisstepped(CaseCheck):
    """Find a schedule that took the rate away, or never gave it, where the rate itself would have served."""

    name: ClassVar[str] = "schedule-misstepped"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        rate = facts.rate[np.isfinite(facts.rate)]
        if bar is None or len(rate) < 8 or rate.max() <= 0:
            return []
        meant = _meant(facts)
        if rate.max() < 0.5 * meant and facts.course is not None:
            return self._never_reached(case, facts, bar, meant)
        gone = float(np.mean(rate < GONE * rate.max()))
        swings = _swings(rate)
        if (gone < 0.4 and swings < 4) or not bar.plain.beats(bar.level, share=FAR) or len(rate) < STEPS / 2:
            return []
        note(facts, self.name, "constant-rate", bar.plain.aside, bar.level, True)
        place = _stepped(case) or (facts.course.place if facts.course else None)
        evidence = [seen("rate_gone", gone, "< 0.4"), *_evidence(bar, bar.plain)]
        step = max(1, len(rate) // 60)
        picture = Picture(what=message("evidence.rate_curve"), values=tuple(float(v) for v in rate[::step]), log=True)
        return [
            found(self.name, Severity.CRITICAL, 0.93, place=place, evidence=evidence, picture=picture,
                  values={"percent": f"{100 * gone:.0f}", "rate": f"{rate.max():.3g}"}, reckoned=_reckoned(bar, bar.plain),
                  explains=("lr-too-low", "optimizer-settings", *_SYMPTOMS))
        ]  # fmt: skip

    def _never_reached(self, case: Case, facts: Facts, bar: Judged, meant: float) -> list[Finding]:
        """Look for a warm-up that a run is too short for, as when it is counted in epochs and meant in batches."""
        first = float(facts.course.first_settings[0].get("lr") or 0) if facts.course else 0.0
        if not first:
            return []
        trial = bar.bench.trial("rate meant", rate=meant / first)
        holds = bar.helps(trial)
        note(facts, self.name, f"rate {meant:.3g}", trial.aside, bar.level, holds)
        if not holds:
            return []
        evidence = [seen("rate_reached", float(np.nanmax(facts.rate)), f"{meant:.3g}"), *_evidence(bar, trial)]
        return [
            found(self.name, Severity.CRITICAL, 0.92, place=_stepped(case) or (facts.course.place if facts.course else None),
                  evidence=evidence, said="never-reached", values={"rate": f"{meant:.3g}", "reached": f"{np.nanmax(facts.rate):.3g}"},
                  reckoned=_reckoned(bar, trial), explains=("lr-too-low", "lr-too-high", "optimizer-settings", *_SYMPTOMS))
        ]  # fmt: skip


def _meant(facts: Facts) -> float:
    """Return the largest rate that a schedule was set up to give: what it wrote into the optimizer's groups."""
    optimizer = facts.course.optimizer if facts.course else None
    groups = optimizer.param_groups if optimizer is not None else []
    told = [float(group.get(key, 0.0) or 0.0) for group in groups[:1] for key in ("initial_lr", "max_lr")]
    return max(told, default=0.0)


def _swings(rate: np.ndarray) -> int:
    """Return how often the rate came back from practically nothing."""
    low = rate < GONE * rate.max()
    return int(np.sum(low[:-1] & ~low[1:]))


def _stepped(case: Case) -> Place | None:
    for entry in case.notes:
        if entry.kind == "schedule" and entry.data and entry.data[1]:
            return next((place for _, place in reversed(entry.data[1]) if place is not None), entry.place)
    return None


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LrTooHigh(CaseCheck):
    """Find a rate at which training breaks or stays high, where a tenth or a hundredth of it learns."""

    name: ClassVar[str] = "lr-too-high"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None:
            return []
        trials = {factor: bar.bench.trial(f"rate x{factor:g}", rate=factor) for factor in _DOWN}
        factor, trial = min(trials.items(), key=lambda pair: pair[1].aside if math.isfinite(pair[1].aside) else math.inf)
        holds = bar.helps(trial) and not bar.plain.beats(bar.level, share=FAR)
        note(facts, self.name, f"rate x{factor:g}", trial.aside, bar.level, holds)
        if not holds:
            return []
        lr = float(np.nanmax(facts.rate)) if len(facts.rate) else math.nan
        return [
            found(self.name, Severity.CRITICAL, _sure(bar, trial), place=facts.course.place if facts.course else None,
                  evidence=_evidence(bar, trial), values={"lr": f"{lr:.3g}", "better": f"{lr * factor:.3g}"},
                  reckoned=_reckoned(bar, trial), picture=_picture(facts), explains=(*_SYMPTOMS, "unscaled-inputs", "unscaled-targets", "over-regularized"))
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LrTooLow(CaseCheck):
    """Find a rate so small that the whole run falls less than a few steps at a larger one."""

    name: ClassVar[str] = "lr-too-low"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or len(facts.loss) < STEPS / 2:
            return []
        if bar.lost or bar.plain.beats(bar.level, share=FAR):
            return []
        if bar.bench.trial("going on", from_end=True, steps=min(max(STEPS, len(facts.loss)), 3 * STEPS)).beats(bar.level, share=FAR):
            return []  # it was on its way
        trials = {factor: bar.bench.trial(f"rate x{factor:g}", rate=factor) for factor in _UP}
        factor, trial = min(trials.items(), key=lambda pair: pair[1].aside if math.isfinite(pair[1].aside) else math.inf)
        holds = bar.helps(trial)
        note(facts, self.name, f"rate x{factor:g}", trial.aside, bar.level, holds)
        if not holds:
            return []
        lr = float(np.nanmax(facts.rate)) if len(facts.rate) else math.nan
        return [
            found(self.name, Severity.CRITICAL, min(0.9, _sure(bar, trial)), place=facts.course.place if facts.course else None,
                  evidence=_evidence(bar, trial), values={"lr": f"{lr:.3g}", "better": f"{lr * factor:.3g}"},
                  reckoned=_reckoned(bar, trial), picture=_picture(facts), explains=_SYMPTOMS)
        ]  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSettings(CaseCheck):
    """Find a setting of the rule, or the rule itself, whose change alone lets the network learn."""

    name: ClassVar[str] = "optimizer-settings"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or facts.course is None or not facts.course.first_settings:
            return []
        place, first = facts.course.place, facts.course.first_settings[0]
        for setting, value in _odd(first):
            trial = bar.bench.trial(f"{setting}={value:g}" if isinstance(value, float) else f"{setting}={value}", settings={setting: value})
            holds = bar.helps(trial)
            note(facts, self.name, f"{setting}={value}", trial.aside, bar.level, holds)
            if holds:
                values = {"setting": setting, "value": f"{first[setting]}", "better": f"{value}"}
                return [
                    found(self.name, Severity.CRITICAL, 0.95, place=place, evidence=_evidence(bar, trial), values=values,
                          reckoned=_reckoned(bar, trial), picture=_picture(facts), explains=("lr-too-low", "lr-too-high", *_SYMPTOMS))
                ]  # fmt: skip
        return self._other_rule(bar, facts, place)

    def _other_rule(self, bar: Judged, facts: Facts, place: Place | None) -> list[Finding]:
        """Try Adam in the place of a rule that scales no step; only where no other rate of the rule's own serves."""
        optimizer = facts.course.optimizer if facts.course else None
        if optimizer is None or "betas" in optimizer.defaults or len(facts.loss) < STEPS / 2 or bar.plain.beats(bar.level, share=FAR):
            return []
        own = [bar.bench.trial(f"rate x{factor:g}", rate=factor) for factor in (*_DOWN, *_UP)]
        trial = min((bar.bench.trial(f"Adam {lr:g}", adam=lr) for lr in (1e-3, 1e-2)), key=lambda t: t.aside)
        holds = bar.helps(trial) and not any(bar.helps(other) for other in own)
        note(facts, self.name, "adam", trial.aside, bar.level, holds)
        if not holds:
            return []
        values = {"rule": type(optimizer).__name__}
        return [
            found(self.name, Severity.CRITICAL, 0.85, place=place, evidence=_evidence(bar, trial), values=values,
                  said="other-rule", reckoned=_reckoned(bar, trial), picture=_picture(facts), explains=_SYMPTOMS)
        ]  # fmt: skip


def _odd(first: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the settings that lie far from what the rule is used with, and values to try."""
    odd: list[tuple[str, Any]] = []
    if first.get("eps", 0) > 1e-5:
        odd.append(("eps", 1e-8))
    if first.get("momentum", 0) > 0.95:
        odd += [("momentum", 0.9), ("momentum", 0.0)]
    betas = first.get("betas")
    if betas is not None and not (0.8 <= float(betas[0]) <= 0.95 and 0.9 <= float(betas[1]) < 0.9999):
        odd.append(("betas", (0.9, 0.999)))
    if first.get("dampening", 0):
        odd.append(("dampening", 0.0))
    if not 0.5 <= first.get("alpha", 0.99) < 0.9999:
        odd.append(("alpha", 0.99))
    return odd
