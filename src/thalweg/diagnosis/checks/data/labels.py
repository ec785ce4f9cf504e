"""Labels that are wrong here and there, and targets that say nothing of the inputs."""

import dataclasses
from typing import ClassVar, final

from thalweg.core import message
from thalweg.diagnosis.audit import measure_dependence, measure_label_noise
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.data.seen import WEAK
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import Judged, judged
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_NOTHING = 0.9  # of the trivial loss: a network that ends above it has learnt nothing
_BY_HEART = 0.6  # of the trivial loss: a network above it has at most begun to learn its rows by heart
_FEWEST = 100  # steps before a network is said to have learnt nothing
_FITTED = 0.15  # of the trivial loss: a network below it has learnt its labels, wrong ones too
_WRONG, _VERY_WRONG = 0.1, 0.2  # share of wrong labels: beyond doubt, and beyond what a network bears


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LabelNoise(CaseCheck):
    """Find labels that disagree as often where a model is sure as elsewhere: they are wrong, not hard."""

    name: ClassVar[str] = "label-noise"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if facts.pairs is None:
            return []
        x, y = facts.pairs
        if y.is_floating_point() or y.dim() != 1 or x.dim() < 2 or not x.is_floating_point():
            return []
        if facts.fit is not None and facts.fit.share < _FITTED and not case.views:
            return []
        told = measure_label_noise(x.numpy(), y.numpy())
        if told is None or not told.flipped or told.low < _WRONG:
            return []
        return [
            found(
                self.name,
                Severity.WARNING if told.rate < _VERY_WRONG else Severity.CRITICAL,
                0.88,
                place=facts.meets[-1][1].op.place,
                evidence=[
                    seen("wrong_share", told.rate, "0"),
                    seen("wrong_low", told.low),
                    seen("wrong_high", told.high),
                ],
                values={"percent": f"{100 * told.rate:.0f}"},
                reckoned=message("causes.from_sure_rows"),
                explains=(*WEAK, "wrong-labels"),
            )
        ]


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WrongLabels(CaseCheck):
    """Find targets of which neither the network, nor any change to its training, nor other models learn anything."""

    name: ClassVar[str] = "wrong-labels"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost or facts.pairs is None or facts.trivial is None or len(facts.loss) < _FEWEST:
            return []
        if not facts.is_plain or not _learnt_nothing(bar, facts.trivial) or any(h.holds for h in facts.hypotheses):
            return []
        if not facts.pairs[0].is_floating_point():
            return []
        told = measure_dependence(facts.pairs[0].numpy(), facts.pairs[1].numpy())
        if told is None or not told.independent:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.8,
                place=facts.meets[-1][1].op.place,
                evidence=[
                    seen("outside_models", told.score, f"> {told.chance:.2g}"),
                    seen("level_end", bar.level),
                    seen("trivial_loss", facts.trivial),
                ],
                reckoned=message("causes.from_other_models"),
                explains=("underfitting", "label-noise"),
            )
        ]


def _learnt_nothing(bar: Judged, trivial: float) -> bool:
    """Return whether nothing was learnt, or nothing that holds for rows which a short training had not seen."""
    return bar.level >= _NOTHING * trivial or (bar.level >= _BY_HEART * trivial and bar.plain.aside >= trivial)
