"""What experiments say about a run that did not learn: which single change beats the whole run.

The rule is the same for every cause. A short training with one thing changed must fall far below both the level at
which the whole run ended and a training just as short without the change, on rows that it was not trained on.
"""

import dataclasses
import math

import numpy as np

from thalweg.core import Message, message
from thalweg.diagnosis.answer import Hypothesis
from thalweg.diagnosis.bench import STEPS, Bench, Trial
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.diagnosis.watching.records import Root

FAR = 0.6  # of a level: what counts as far below it
STUCK = 0.25  # of the trivial loss: a run that ends below it has learnt
_MOST_LEFT = 0.7  # of the trivial loss
_BLOWN = 10.0  # times the loss at the start
_SANE = 3.0  # times: how far the bench's levels may lie from what the run itself recorded


@dataclasses.dataclass(frozen=True)
class Judged:
    """Hold what experiments are compared with: the level at the end of the run, and a short training as it was."""

    bench: Bench
    level: float
    plain: Trial
    lost: bool

    def helps(self, trial: Trial) -> bool:
        """Return whether a change beats both the whole run and the same number of steps without it."""
        bar = min(self.level, self.plain.aside) if math.isfinite(self.plain.aside) else self.level
        return trial.beats(bar, share=FAR) if bar > 0 else False

    @property
    def blew_up(self) -> bool:
        """Return whether the loss at the end is far above that of the start, as a number."""
        return not self.lost and self.level > _BLOWN * max(self.bench.end(start=True))

    def learnt_little(self, facts: Facts) -> bool:
        """Return whether most of the loss of the best constant answer was left at the end."""
        return self.level > _MOST_LEFT * (facts.trivial or self.level)

    def going_on(self, taken: int) -> Trial:
        """Return what came of training on from the end, for as many steps as were taken within limits."""
        return self.bench.trial("going on", from_end=True, steps=min(max(STEPS, taken), 3 * STEPS))


def judged(case: Case, facts: Facts) -> Judged | None:
    """Return what to compare with, where a run did not learn and experiments can be made; worked out once."""
    return _judged(case, facts) if facts.bench is not None else None


def _judged(case: Case, facts: Facts) -> Judged | None:
    if "judged" not in facts.memory:
        facts.memory["judged"] = _work_out(case, facts)
    return facts.memory["judged"]  # type: ignore[no-any-return]


def _work_out(case: Case, facts: Facts) -> Judged | None:
    bench = facts.bench
    assert bench is not None
    start = max(bench.end(start=True))
    if not math.isfinite(start) or not _agree(start, facts.first, facts):
        return None
    lost = bool(len(facts.loss)) and not math.isfinite(facts.loss[-1])
    aside, trained = bench.end()
    trivial = facts.trivial
    if lost or not math.isfinite(aside):
        level = min(start, trivial) if trivial else start
        lost = True
    else:
        level = aside
        blown = level > _BLOWN * start and facts.end > _BLOWN * facts.start
        if not (blown or _agree(trained, facts.end, facts) or _agree(aside, facts.end, facts)):
            return None
        if level < STUCK * (trivial or start) or level <= 0:
            return None
    plain = bench.trial("as it was", rate=_peak(facts))
    note(facts, "as-it-was", "as-it-was", plain.aside, level, None)
    return Judged(bench, level, plain, lost)


def trained_root(case: Case) -> Root | None:
    """Return the first network with parameters that was trained."""
    with_parameters = (root for root in case.roots if next(root.module.parameters(), None) is not None)
    return next((root for root in with_parameters if root.trained), None)


def _agree(a: float, b: float, facts: Facts) -> bool:
    """Return whether the bench sees what the run saw; a run that changed within its first steps is no judge."""
    if not (math.isfinite(a) and math.isfinite(b)) or a <= 0 or b <= 0:
        return not math.isfinite(b)
    return 1 / _SANE < a / b < _SANE or abs(a - b) < 0.3 * abs(facts.start)


def _peak(facts: Facts) -> float:
    """Return the largest rate as a multiple of the first: warm-ups begin at nothing."""
    rate = facts.rate[np.isfinite(facts.rate)]
    if not len(rate):
        return 1.0
    first = facts.course.first_settings[0].get("lr") if facts.course and facts.course.first_settings else None
    return float(rate.max() / first) if first else 1.0


def note(facts: Facts, code: str, tried: Message | str, value: float, level: float, holds: bool | None) -> None:
    """Write down an experiment for the answer; `tried` is a sentence, or the name of one without values."""
    result = message("causes.tried_result", value=f"{value:.3g}", level=f"{level:.3g}")
    said = tried if isinstance(tried, Message) else message(f"causes.tried_{tried.replace(' ', '-')}")
    facts.hypotheses.append(Hypothesis(code=code, tried=said, result=result, holds=holds))
