"""Runs that were too short, or were given the wrong number of rows at a time."""

import dataclasses
from typing import ClassVar, final

from torch import nn

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS, Trial
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, Judged, judged, note
from thalweg.diagnosis.checks.training.telling import as_tried, loss_picture, reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Severity

_WHOLE = 0.7  # of the rows in one batch
_FEW = 100  # updates
_TINY, _USUAL = 4, 32  # rows that are too few for a mean and a variance over them, and those of a usual batch
_EXPLAINS = (
    "lr-too-low",
    "underfitting",
    "vanishing-gradients",
    "class-imbalance",
    "wrong-labels",
    "stopped-too-early",
    "unscaled-inputs",
    "optimizer-settings",
    "lr-too-high",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BatchSize(CaseCheck):
    """Find batches so large that they leave hardly any updates, or too small for a norm over their rows."""

    name: ClassVar[str] = "batch-size"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost:
            return []
        taken, size, rows = len(facts.loss), bar.bench.size, len(bar.bench.x)
        if taken < _FEW and size >= _WHOLE * rows:
            smaller = max(4, min(_USUAL, rows // 8))
            steps = min(taken * max(1, len(bar.bench.train) // smaller), 3 * STEPS)
            trial = bar.bench.trial("smaller batches", size=smaller, steps=steps)
            return self._say(case, facts, bar, trial, smaller, trial.beats(bar.level, share=FAR))
        if size <= _TINY and len(bar.bench.train) >= _USUAL and _norms(case):
            trial = bar.bench.trial("larger batches", size=_USUAL)
            return self._say(case, facts, bar, trial, _USUAL, bar.helps(trial))
        return []

    def _say(self, case: Case, facts: Facts, bar: Judged, trial: Trial, better: int, holds: bool) -> list[Finding]:
        tried = message("causes.tried_batches", size=better, steps=trial.steps)
        note(facts, self.name, tried, trial.aside, bar.level, holds)
        if not holds:
            return []
        size, steps = bar.bench.size, len(facts.loss)
        return [
            found(
                self.name,
                Severity.CRITICAL if bar.learnt_little(facts) else Severity.WARNING,
                0.9,
                place=_fed(case, facts),
                said="batch-of-few" if size < better else "",
                evidence=[
                    seen("rows_a_batch", size),
                    seen("steps", steps),
                    seen("level_end", bar.level),
                    seen("level_changed", trial.aside),
                ],
                tried=as_tried(bar, trial),
                values={"steps": steps, "size": size, "rows": len(bar.bench.x), "better": better},
                reckoned=reckoned(bar, trial),
                picture=loss_picture(facts),
                explains=_EXPLAINS,
            )
        ]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StoppedTooEarly(CaseCheck):
    """Find a run that goes on falling far when its own rule goes on from where it stopped."""

    name: ClassVar[str] = "stopped-too-early"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost:
            return []
        taken = len(facts.loss)
        more, tried = bar.going_on(taken), "tried_longer"
        holds = more.beats(bar.level, share=FAR) and _falls(facts)
        if not holds and taken < STEPS and bar.plain.beats(bar.level, share=FAR):
            more, tried, holds = bar.plain, "tried_again-longer", True  # the same training, only longer, does it
        note(facts, self.name, message(f"causes.{tried}", steps=more.steps), more.aside, bar.level, holds)
        if not holds:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL if bar.learnt_little(facts) else Severity.WARNING,
                0.9,
                place=_fed(case, facts),
                evidence=[seen("level_end", bar.level), seen("level_longer", more.aside), seen("steps", taken)],
                tried=as_tried(bar, more),
                values={"steps": taken},
                reckoned=reckoned(bar, more),
                picture=loss_picture(facts),
                explains=_EXPLAINS,
            )
        ]


def _fed(case: Case, facts: Facts) -> Place | None:
    """Return the line of the loader that batches come from, else the optimizer's."""
    loader = next((entry.place for entry in case.loaders if entry.batches), None)
    return loader or (facts.course.place if facts.course else None)


def _norms(case: Case) -> bool:
    """Return whether a norm takes its mean and variance over the rows of a batch."""
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) and m.momentum != 0.0 for _, m in case.modules())


def _falls(facts: Facts) -> bool:
    """Return whether the loss was falling when it stopped."""
    loss = facts.finite
    third = max(1, len(loss) // 3)
    return len(loss) < 6 or float(loss[-third:].mean()) < float(loss[:third].mean())
