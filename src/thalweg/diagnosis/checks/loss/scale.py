"""A loss at another scale than its rate was chosen for: summed, divided twice, or of terms reduced unlike."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.checks.loss.terms import Term, terms
from thalweg.diagnosis.checks.loss.tracing import kept
from thalweg.diagnosis.checks.loss.trying import Met, fit_left, train_with
from thalweg.diagnosis.checks.saying import place_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, Held, held, leaves, loss_of, play
from thalweg.diagnosis.watching import Case, Look, Op, Place
from thalweg.findings import Finding, Severity

_LEFT = 0.5  # of the trivial loss: what a network that learnt has less of
_TIMES = 4.0  # by which a loss must be off its mean before that can be a cause
_HELPS = 0.7  # of what is left: to what the change must bring it
_NOTHING = 0.9  # of the trivial loss: a term that stays above it has learnt nothing
_HELPS_TERMS = 0.85  # the same for terms: it takes longer to show
_STEPS = 100
_MOST = 24  # looks that are trained on again
_LARGE = (
    "lr-too-high",
    "non-finite",
    "exploding-gradients",
    "dead-relu",
    "saturated-units",
    "unscaled-targets",
    "unscaled-inputs",
    "optimizer-settings",
    "underfitting",
    "saddle-point",
    "batch-size",
    "vanishing-gradients",
    "bad-init-scale",
    "over-regularized",
)
_SMALL = (
    "lr-too-low",
    "stopped-too-early",
    "vanishing-gradients",
    "underfitting",
    "optimizer-settings",
    "saddle-point",
    "bad-init-scale",
    "unscaled-inputs",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossScale(CaseCheck):
    """Find a loss that is summed where a mean was meant, divided once too often, or whose terms do not fit together.

    The loss is linear in its terms at the end: L = sum_k w_k sum_i e_ki. A mean has w = 1/n; what w n is instead is the
    factor by which steps are off. It is a fault only where training failed and a few steps down the mean do better.
    """

    name: ClassVar[str] = "loss-scale"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        mets = [(look, met) for look, met in facts.meets if look in facts.playable][:_MOST]
        if not mets or facts.course is None or len(mets[0][0].losses()) != 1:
            return []
        look = mets[0][0]
        parts = terms(look, look.losses()[0])
        fits = [part for part in parts if part.met is not None]
        if not fits or not (_is_off(fits) or _uneven(parts, look, mets[0][1].target)):
            return []
        with held(case) as lent:
            try:
                left = fit_left(mets)
                broken = bool(len(facts.loss)) and not math.isfinite(facts.loss[-1])
                if not lent.has_start or not (broken or left > _LEFT):
                    return []
                return self._terms(case, facts, lent, mets, (left, parts)) or self._whole(
                    case, facts, lent, mets, (left, fits)
                )
            except CannotPlay:
                return []

    def _whole(
        self, case: Case, facts: Facts, lent: Held, mets: Sequence[Met], known: tuple[float, list[Term]]
    ) -> list[Finding]:
        """Find a loss that is a multiple of its mean."""
        left, fits = known
        mass = sum(fit.mass for fit in fits)
        if not _is_off(fits):
            return []
        tried = _tried(facts, lent, mets, lambda look: loss_of(look) / mass, min(_HELPS * left, _NOTHING))
        if tried is None or not tried[0] < _HELPS * tried[1]:
            return []
        after, before = tried
        look, met = mets[0]
        summed = mass > 1
        values = {"factor": f"{mass:.3g}" if summed else f"{1 / mass:.3g}", "count": fits[0].count}
        evidence = [seen("mass", mass, "1"), seen("left_as_is", before), seen("left_as_mean", after)]
        lent.to_start()
        twice = _doubled(look, met.target)
        evidence += [seen("doubled_batch", twice, "1")] if summed and twice is not None and 1.9 < twice < 2.1 else []
        place = _summing(case, look, met.op) if summed else _scaling(look, met.op)
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.96,
                place=place,
                said=None if summed else "loss-divided",
                evidence=evidence,
                values=values,
                reckoned="trial",
                explains=_LARGE if summed else _SMALL,
            )
        ]

    def _terms(
        self, case: Case, facts: Facts, lent: Held, mets: Sequence[Met], known: tuple[float, list[Term]]
    ) -> list[Finding]:
        """Find errors that are averaged over entries beside a term of what is learned alone that is not."""
        left, parts = known
        look, met = mets[0]
        if (off := _uneven(parts, look, met.target)) is None:
            return []
        if not left > _NOTHING:
            return []
        tried = _tried(facts, lent, mets, lambda look: _evened(look, off), _HELPS_TERMS * left, 3 * _STEPS)
        if tried is None or not tried[1] > _NOTHING or not tried[0] < _HELPS_TERMS * tried[1]:
            return []
        after, before = tried
        evidence = [seen("terms_apart", off, "1"), seen("left_as_is", before), seen("left_evened", after)]
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.93,
                place=place_of(case, met.op),
                said="terms-apart",
                evidence=evidence,
                values={"factor": f"{off:.3g}"},
                reckoned="trial",
                explains=(*_SMALL, "over-regularized", "dead-relu"),
            )
        ]


def _is_off(fits: list[Term]) -> bool:
    return not 1 / _TIMES < sum(fit.mass for fit in fits) < _TIMES


def _uneven(parts: list[Term], look: Look, target: int) -> float | None:
    """Return the entries of a row over which errors alone are averaged; None where the other terms are, too.

    That an entry of another term weighs about as many times more than one of the errors shows it.
    """
    fits = [part for part in parts if part.met is not None]
    others = [part for part in parts if part.met is None and part.count > 1]
    rows = (look.values[target].shape or (0,))[0]
    if len(fits) != 1 or not others or not rows:
        return None
    size = fits[0].count / rows
    off = max(abs(part.weight) for part in others) / abs(fits[0].weight)
    return size if size >= _TIMES and size / 5 <= off <= 5 * size else None


def _evened(look: Look, off: float) -> Tensor:
    """Return the loss of a look with its terms without targets divided by a factor."""
    parts = terms(look, look.losses()[0])
    values = play(look, [part.number for part in parts])
    total = torch.zeros(())
    for part in parts:
        weight = part.weight if part.met is not None else part.weight / off
        value = values[part.number]
        size = value.numel() if part.met is not None and value.numel() != part.count else None
        total = total + (value.sum() * (weight * _by(part)) if size else weight * value.sum())
    return total


def _by(part: Term) -> float:
    """Return how many entries a term that torch has reduced already stands for."""
    reduction = part.met.reduction if part.met is not None else "sum"
    return float(part.count) if reduction == "mean" else 1.0


def _tried(
    facts: Facts, lent: Held, mets: Sequence[Met], loss: Callable[[Look], Tensor], most: float, steps: int = _STEPS
) -> tuple[float, float] | None:
    """Return what is left of the trivial loss after some steps down another loss, and down the script's own.

    None where the other one leaves more than `most`, or than it may of what the script's own leaves.
    """
    assert facts.course is not None
    looks, left = [look for look, _ in mets], list[float]()
    for way in (loss, loss_of):
        lent.to_start()
        train_with(facts.course, looks, steps, way, until=facts.until)
        found = fit_left(mets)
        left.append(found if math.isfinite(found) else math.inf)
        if not left[0] < most:
            return None
    return left[0], left[1]


def _doubled(look: Look, target: int) -> float | None:
    """Return by how much the loss grows when every row comes twice."""
    value = kept(look, target)
    rows = len(value) if value is not None and value.dim() else 0
    twice = {n: torch.cat([t, t]) for n in leaves(look) if (t := look.tensors[n]).dim() and len(t) == rows}
    if not rows or not twice:
        return None
    try:
        one, two = (float(loss_of(look, swap=swap, grad=False)) for swap in (None, twice))
    except CannotPlay:
        return None
    return two / one if one and math.isfinite(two / one) else None


def _summing(case: Case, look: Look, met: Op) -> Place | None:
    """Return the line that adds up: a reduction of the script's own, else the loss's."""
    for op in look.trail(look.losses()[0]):
        if op.name == "sum" and op.place is not None:
            return op.place
        if op is met:
            break
    return place_of(case, met)


def _scaling(look: Look, met: Op) -> Place | None:
    """Return the line that makes the loss small."""
    for op in look.trail(look.losses()[0]):
        if op.name in ("mul", "div", "true_divide", "mul_", "div_") and op.place is not None:
            return op.place
        if op is met:
            break
    return met.place
