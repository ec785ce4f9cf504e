"""Checkpoints that do not bring back what was saved."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.telling import seen, tell
from thalweg.diagnosis.checks.loop.threads import held_by, in_any_optimizer, steps_of
from thalweg.diagnosis.checks.loop.trying import trivial_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Course, Load
from thalweg.findings import Finding, Severity

_LITTLE = 0.5  # of a model's entries that a loose load matched
_SAME = 0.95  # of the numbers that must be found again
_BACK = 0.4  # of the way from what was learnt to the start that the loss has gone back
_AT_ONCE = 0.3  # of the jump: below it the first loss after the load is as it was, and the steps undo what was learnt
_EXPLAINS = (
    "stopped-too-early",
    "lr-too-low",
    "underfitting",
    "lr-too-high",
    "batch-size",
    "optimizer-settings",
    "saddle-point",
    "frozen-parameters",
    "parameters-not-optimized",
    "wrong-labels",
    "bad-init-scale",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ResumeMismatch(CaseCheck):
    """Find loads that matched little or nothing, and loads after which a model no longer does what the saved one did.

    The second is proven by values: those that training goes on with are those that an earlier training ended with, in
    whatever order, and yet the loss starts again from near where that one began, on targets of the same kind. A new
    task, a new head or weights set back to their start differ in values or targets and are left alone.
    """

    name: ClassVar[str] = "resume-mismatch"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for load in case.loads:
            finding = (
                self._matched_little(case, load)
                or self._changed(case, load)
                or self._elsewhere(case, load)
                or self._overwritten(case, load)
            )
            if finding is not None:
                return [finding]
        return []

    def _matched_little(self, case: Case, load: Load) -> Finding | None:
        keys = list(load.module.state_dict())
        if load.strict or not load.unexpected or not keys:
            return None
        matched = 1 - len(set(load.missing) & set(keys)) / len(keys)
        renamed = _renamed(load)
        if matched > _LITTLE or not (matched == 0 or renamed >= 0.5 * len(load.missing)):
            return None
        values = {
            "count": len(keys),
            "matched": round(matched * len(keys)),
            "missing": load.missing[0],
            "unexpected": load.unexpected[0],
        }
        evidence = [seen("entries_matched", matched, "1"), seen("entries_unexpected", len(load.unexpected), "0")]
        return tell(
            self.name,
            Severity.CRITICAL if matched < 0.1 else Severity.WARNING,
            0.96,
            said="hardly-loaded",
            place=load.place,
            values=values,
            evidence=evidence,
            where={"parameter": load.missing[0]},
            explains=_EXPLAINS,
        )

    def _changed(self, case: Case, load: Load) -> Finding | None:
        """Find the values of an earlier training in a model that does not do what the earlier one did."""
        for before, after in _pairs(case, load):
            jump = _jump(case, before, after)
            ours, theirs = _values_at_start(case, load.module), _values_now(case, before)
            if jump is None or _same_values(ours, theirs) < _SAME:
                continue
            end, again, start = jump
            evidence = [seen("loss_saved", end), seen("loss_loaded", again, f"{end:.3g}"), seen("loss_start", start)]
            values = {
                "before": f"{end:.3g}",
                "after": f"{again:.3g}",
                "step": load.step,
                "rates": _rates(before, after),
            }
            return tell(
                self.name,
                Severity.CRITICAL,
                0.95,
                said=_what_differs(ours, theirs, after.losses[0] - end, again - end),
                place=load.place,
                evidence=evidence,
                where={"step": load.step},
                values=values,
                explains=_EXPLAINS,
            )
        return None

    def _elsewhere(self, case: Case, load: Load) -> Finding | None:
        """Find a checkpoint that was put into one model while another of its kind goes on, fresh."""
        for before, after in _courses_around(case, load):
            own = {id(p) for p in held_by(after)}
            if any(id(p) in in_any_optimizer(case) for p in load.module.parameters()):
                continue
            goes_on = next((r.module for r in case.roots if any(id(p) in own for p in r.module.parameters())), None)
            if (
                goes_on is None
                or type(goes_on) is not type(load.module)
                or (jump := _jump(case, before, after)) is None
            ):
                continue
            kept = _same_values(list(load.module.parameters()), _values_now(case, before))
            fresh = _same_values(_values_at_start(case, goes_on), _values_now(case, before))
            if kept >= _SAME and fresh < 0.5:
                end, again, _ = jump
                evidence = [seen("loss_saved", end), seen("loss_loaded", again, f"{end:.3g}")]
                return tell(
                    self.name,
                    Severity.CRITICAL,
                    0.93,
                    said="loaded-elsewhere",
                    place=load.place,
                    evidence=evidence,
                    values={"before": f"{end:.3g}", "after": f"{again:.3g}"},
                    where={"step": load.step},
                    explains=_EXPLAINS,
                )
        return None

    def _overwritten(self, case: Case, load: Load) -> Finding | None:
        """Find weights that the script started anew after it had loaded them."""
        matrices = [p for p in load.module.parameters() if p.dim() > 1]
        told = [case.started[id(p)] for p in matrices if id(p) in case.started]
        if load.missing or not told or len(told) < len(matrices):
            return None
        for before, after in _pairs(case, load):
            jump = _jump(case, before, after)
            ours, ends = _values_at_start(case, load.module, matrices_only=True), _values_now(case, before)
            begun = [copy for tensor, copy in case.start if any(tensor is p for p in held_by(before))]
            if jump is None or not ours or max(_same_values(ours, ends), _same_values(ours, begun)) > 0.05:
                continue
            end, again, _ = jump
            return tell(
                self.name,
                Severity.CRITICAL,
                0.85,
                said="overwritten",
                place=told[0][1],
                where={"step": load.step},
                evidence=[seen("loss_saved", end), seen("loss_loaded", again, f"{end:.3g}")],
                explains=_EXPLAINS,
                values={"before": f"{end:.3g}", "after": f"{again:.3g}", "function": told[0][0]},
            )
        return None


def _renamed(load: Load) -> int:
    """Return how many missing entries came under a name with a prefix more or less."""
    given = {key.split(".", 1)[-1] for key in load.unexpected} | set(load.unexpected)
    return sum(key in given or key.split(".", 1)[-1] in given for key in load.missing)


def _courses_around(case: Case, load: Load) -> Iterator[tuple[Course, Course]]:
    """Return the trainings before and after a load, those with enough steps to tell."""
    gone = 0
    for place, course in enumerate(case.courses):
        gone += course.steps
        if course.steps >= 10 and gone <= load.step:
            for other in case.courses[place + 1 :]:
                if other.optimizer is not None and other.steps >= 3:
                    yield course, other


def _pairs(case: Case, load: Load) -> Iterator[tuple[Course, Course]]:
    own = {id(p) for p in load.module.parameters()}
    for before, after in _courses_around(case, load):
        if any(id(p) in own for p in held_by(after)) and not any(id(p) in own for p in held_by(before)):
            yield before, after


def _jump(case: Case, before: Course, after: Course) -> tuple[float, float, float] | None:
    """Return (loss at the end, loss after the load, loss at the start) where much of what was learnt is gone."""
    start, again = float(np.median(before.losses[:3])), float(np.median(after.losses[:3]))
    end = float(np.mean(before.losses[-max(3, before.steps // 20) :]))
    lately = before.losses[-max(10, before.steps // 4) :]
    if not all(map(math.isfinite, (start, end, again))) or end > 0.7 * start or again <= max(lately):
        return None  # batches differ as much
    ours, theirs = trivial_of(steps_of(case, before)), trivial_of(steps_of(case, after))
    alike = abs(ours - theirs) < 0.2 * max(ours, theirs)  # never where one is not known
    return (end, again, start) if alike and again - end > _BACK * (start - end) else None


def _what_differs(ours: Sequence[Tensor], theirs: Sequence[Tensor], at_once: float, soon: float) -> str:
    """Return which sentence fits: values out of place, or in place and something beside them is not as it was."""
    pairs = zip(ours, theirs, strict=False)
    if len(ours) != len(theirs) or not all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs):
        return "resume-mismatch"
    return "optimizer-began-anew" if at_once < _AT_ONCE * soon else "loaded-and-other"


def _rates(before: Course, after: Course) -> str:
    """Write the rate at the end of one training and at the start of the other."""
    ends = [course.rates[place][1] for course, place in ((before, -1), (after, 0)) if course.rates]
    return " → ".join(f"{rates[0]:.3g}" for rates in ends if rates)


def _values_at_start(case: Case, module: nn.Module, *, matrices_only: bool = False) -> list[Tensor]:
    start = {id(tensor): copy for tensor, copy in case.start}
    return [start[id(p)] for p in module.parameters() if id(p) in start and (p.dim() > 1 or not matrices_only)]


def _values_now(case: Case, course: Course) -> list[Tensor]:
    """Return the weights of the model that a course trained, as they are now."""
    own = {id(p) for p in held_by(course)}
    root = next((r.module for r in case.roots if any(id(p) in own for p in r.module.parameters())), None)
    return [p.detach() for p in root.parameters()] if root is not None else [p.detach() for p in held_by(course)]


def _same_values(ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Return which share of our numbers is found among theirs, each used once."""
    if not ours or not theirs:
        return 0.0
    a = torch.cat([t.detach().flatten().double().cpu() for t in ours]).numpy()
    b = torch.cat([t.detach().flatten().double().cpu() for t in theirs]).numpy()
    (kinds, counts), (others, most) = np.unique(a, return_counts=True), np.unique(b, return_counts=True)
    _, at, where = np.intersect1d(kinds, others, assume_unique=True, return_indices=True)
    return float(np.minimum(counts[at], most[where]).sum() / len(a))
