"""A loss with the wrong sign: what should fall rises."""

import dataclasses
from typing import ClassVar, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, deeply, held
from thalweg.diagnosis.watching import Case, Look, Op, Place
from thalweg.findings import Finding, Severity

_LIKELIHOODS = ("log_softmax", "log_prob", "logsigmoid", "nll_loss", "cross_entropy", "mse_loss", "l1_loss",
                "smooth_l1_loss", "huber_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")  # fmt: skip
_RISES_WHEN_GOOD = ("log_softmax", "log_prob", "logsigmoid", "cosine_similarity")
_EXPLAINS = ("lr-too-high", "lr-too-low", "non-finite", "exploding-gradients", "wrong-labels", "underfitting",
             "saturated-units", "overfitting", "wrong-metric", "harmful-augmentation", "stopped-too-early", "data-leak")  # fmt: skip


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossSign(CaseCheck):
    """Find errors that are made larger, or likelihoods and similarities that are made smaller.

    The loss's derivative at a known measure of error must not be negative, and at a log-likelihood or a similarity of
    pairs, where that is all there is in the loss, not positive. Two networks that play against each other are left out.
    """

    name: ClassVar[str] = "loss-sign"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        course = facts.course
        if course is None or not facts.playable or any(g.get("maximize") for g in course.first_settings):
            return []
        wrong, last = 0, None
        looks = facts.playable[-3:]
        with held(case):
            for look in looks:
                try:
                    op = _against(look)
                except CannotPlay:
                    return []
                wrong, last = wrong + (op is not None), op or last
        if last is None or wrong < len(looks):
            return []
        evidence = [seen("loss_start", facts.start), seen("loss_end", facts.end)]
        said = "similarity-minimised" if last.name == "cosine_similarity" else ""
        confidence = 0.9 if said else 0.96
        return [
            found(self.name, Severity.CRITICAL, confidence, place=_line(looks[-1], last), evidence=evidence, said=said,
                  values={"function": last.name}, explains=_EXPLAINS)
        ]  # fmt: skip


def _line(look: Look, op: Op) -> Place | None:
    """Return the line that makes the loss of it: where the sign is to be turned."""
    return next((step.place for step in look.trail(look.losses()[0]) if step.place is not None), op.place)


def _against(look: Look) -> Op | None:
    deep = deeply(look)
    trail = deep.look.trail(deep.look.losses()[0])
    known = [op for op in trail if op.name in {*_LIKELIHOODS, *_RISES_WHEN_GOOD} and op.outputs]
    if len(known) != 1:
        return None
    op = known[0]
    if op.name == "cosine_similarity" and not _is_all(deep.look, trail, op):
        return None
    (grad,) = deep.gradients([op.outputs[0]])
    if grad is None or not bool(torch.isfinite(grad).all()) or not bool(grad.any()):
        return None
    good = op.name in _RISES_WHEN_GOOD
    return op if bool((grad >= 0).all() if good else (grad <= 0).all()) else None


def _is_all(look: Look, trail: list[Op], op: Op) -> bool:
    """Return whether nothing else that is learned goes into the loss beside this measure."""
    after = trail[: trail.index(op)]
    inner = {number for step in after for number in step.outputs} | set(op.outputs)
    return all(look.inner(n) in inner or not look.values[n].requires_grad for step in after for n in step.inputs)
