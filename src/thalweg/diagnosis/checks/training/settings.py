"""A setting of the rule, or the rule itself, that keeps a network from learning."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, final

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS, Trial
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, Judged, judged, note
from thalweg.diagnosis.checks.training.rate import DOWN, UP, at_rate
from thalweg.diagnosis.checks.training.telling import SYMPTOMS, as_tried, compared, loss_picture, mended, reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_LARGEST_EPS, _LARGEST_MOMENTUM = 1e-5, 0.95
_BETA1, _BETA2, _ALPHA = (0.8, 0.95), (0.9, 0.9999), (0.5, 0.9999)
_REMADE, _BETWEEN = 10, 5  # times at least, and steps between at most
_ADAM = (1e-3, 1e-2)  # rates to try Adam with


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSettings(CaseCheck):
    """Find a setting of the rule, or the rule itself, whose change alone lets the network learn."""

    name: ClassVar[str] = "optimizer-settings"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if (remade := _remade(facts)) is not None:
            return [remade]
        bar = judged(case, facts)
        if bar is None or facts.course is None or not facts.course.first_settings:
            return []
        first = facts.course.first_settings[0]
        for setting, value in _odd(first):
            trial = bar.bench.trial(f"{setting}={value}", settings={setting: value})
            holds = bar.helps(trial)
            if not holds and not bar.lost:
                late, as_it_is = _from_end(bar, setting, value)
                holds = late.beats(min(bar.level, as_it_is), share=FAR)
                trial = late if holds else trial
            tried = message("causes.tried_setting", setting=setting, value=f"{value}")
            note(facts, self.name, tried, trial.aside, bar.level, holds)
            if holds:
                return [
                    found(
                        self.name,
                        Severity.CRITICAL,
                        0.95,
                        **mended(facts, setting, first[setting], value),
                        evidence=compared(bar, trial),
                        tried=as_tried(bar, trial),
                        values={"setting": setting, "value": f"{first[setting]}", "better": f"{value}"},
                        reckoned=reckoned(bar, trial),
                        picture=loss_picture(facts),
                        explains=("lr-too-low", "lr-too-high", *SYMPTOMS),
                    )
                ]
        return self._other_rule(bar, facts)

    def _other_rule(self, bar: Judged, facts: Facts) -> list[Finding]:
        """Try Adam in the place of a rule that scales no step; only where no other rate of the rule's own serves."""
        optimizer = facts.course.optimizer if facts.course else None
        if optimizer is None or facts.course is None or "betas" in optimizer.defaults:
            return []
        if len(facts.loss) < STEPS / 2 or bar.plain.beats(bar.level, share=FAR):
            return []
        own = [at_rate(bar, factor) for factor in (*DOWN, *UP)]
        trial = min((bar.bench.trial(f"Adam {lr:g}", adam=lr) for lr in _ADAM), key=lambda t: t.aside)
        holds = bar.helps(trial) and not any(bar.helps(other) for other in own)
        note(facts, self.name, "adam", trial.aside, bar.level, holds)
        if not holds:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.85,
                place=facts.course.place,
                evidence=compared(bar, trial),
                tried=as_tried(bar, trial),
                values={"rule": type(optimizer).__name__},
                said="other-rule",
                reckoned=reckoned(bar, trial),
                picture=loss_picture(facts),
                explains=SYMPTOMS,
            )
        ]


def _remade(facts: Facts) -> Finding | None:
    """Find an optimizer that is made anew every few steps, and so forgets what it averages."""
    course = facts.course
    if course is None or course.remade < _REMADE or course.steps > _BETWEEN * course.remade:
        return None
    first = course.first_settings[0] if course.first_settings else {}
    if not first.get("momentum") and "betas" not in first and "alpha" not in first:
        return None
    return found(
        "optimizer-settings",
        Severity.CRITICAL if facts.learnt is False else Severity.WARNING,
        0.9,
        place=course.place,
        evidence=[seen("times_remade", course.remade, "0"), seen("steps", course.steps)],
        values={"rule": type(course.optimizer).__name__, "count": course.remade + 1, "steps": course.steps},
        said="remade",
        explains=("lr-too-low", "lr-too-high", *SYMPTOMS),
    )


def _from_end(bar: Judged, setting: str, value: Any) -> tuple[Trial, float]:
    """Return what came of going on with a setting changed, and the loss after going on as it was: harm that is done
    late does not show from the start.
    """
    late = bar.bench.trial(f"{setting}={value} from the end", settings={setting: value}, from_end=True)
    plain = bar.bench.trial("going on for a while", from_end=True)
    return late, plain.aside if math.isfinite(plain.aside) else math.inf


def _odd(first: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the settings that lie far from what the rule is used with, and values to try."""
    odd: list[tuple[str, Any]] = []
    if first.get("eps", 0) > _LARGEST_EPS:
        odd.append(("eps", 1e-8))
    if first.get("momentum", 0) > _LARGEST_MOMENTUM:
        odd += [("momentum", 0.9), ("momentum", 0.0)]
    betas = first.get("betas")
    if betas is not None and not (
        _BETA1[0] <= float(betas[0]) <= _BETA1[1] and _BETA2[0] <= float(betas[1]) < _BETA2[1]
    ):
        odd.append(("betas", (0.9, 0.999)))
    if first.get("dampening", 0):
        odd.append(("dampening", 0.0))
    if not _ALPHA[0] <= first.get("alpha", 0.99) < _ALPHA[1]:
        odd.append(("alpha", 0.99))
    return odd
