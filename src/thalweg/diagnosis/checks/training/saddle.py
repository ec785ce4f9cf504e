"""A start at a flat place: no gradient, though better places lie all around."""

import dataclasses
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note, trained_root
from thalweg.diagnosis.checks.training.telling import loss_picture, reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, held, loss_of
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_STILL = 0.05  # of the loss: by how much a run that never left its start has changed it
_SMALL = 0.05  # of the gradient from a start farther out
_EXPLAINS = (
    "optimizer-settings",
    "lr-too-low",
    "vanishing-gradients",
    "stopped-too-early",
    "underfitting",
    "bad-init-scale",
    "batch-size",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SaddlePoint(CaseCheck):
    """Find a run that never left its start, where gradients vanish, and that learns from a start farther out.

    A minimum would hold it there from every side; from a saddle or a plateau it goes down.
    """

    name: ClassVar[str] = "saddle-point"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost or bar.plain.beats(bar.level, share=FAR):
            return []
        begun = bar.bench.end(start=True)[0]
        if abs(bar.level - begun) > _STILL * begun:
            return []
        try:
            still = self._gradient(case, facts)
        except CannotPlay:
            return []
        if still > _SMALL:
            return []
        trial = bar.bench.trial("a start farther out", restart=True)
        holds = bar.helps(trial)
        note(facts, self.name, "farther-out", trial.aside, bar.level, holds)
        if not holds:
            return []
        root = trained_root(case)
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.93,
                place=case.made.get(id(root.module)) if root is not None else None,
                evidence=[
                    seen("gradient_size", still, "≈ 1"),
                    seen("level_end", bar.level),
                    seen("restarted", trial.aside),
                ],
                reckoned=reckoned(bar, trial),
                picture=loss_picture(facts),
                explains=_EXPLAINS,
            )
        ]

    def _gradient(self, case: Case, facts: Facts) -> float:
        """Return the gradient's size at the start over that from a start farther out."""
        bench = facts.bench
        assert bench is not None
        sizes = []
        for farther in (False, True):
            with held(case) as lent:
                lent.to_start()
                if farther:
                    bench._farther_out()
                loss = loss_of(bench.look)
                own = [p for g in bench.course.optimizer.param_groups for p in g["params"]]  # type: ignore[union-attr]
                for p in own:
                    p.grad = None
                loss.backward()
                sizes.append(sum(float(p.grad.double().pow(2).sum()) for p in own if p.grad is not None) ** 0.5)
        return sizes[0] / sizes[1] if sizes[1] else 1.0
