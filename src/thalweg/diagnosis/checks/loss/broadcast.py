"""Predictions and targets of one size and two shapes, so that each is compared with all."""

import dataclasses
import math
from typing import ClassVar, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.checks.loss.tracing import kept, origin
from thalweg.diagnosis.checks.saying import place_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import learned
from thalweg.diagnosis.watching import Case, Look, Op, Place
from thalweg.findings import Finding, Severity

_ELEMENTWISE = frozenset(
    "sub __sub__ rsub __rsub__ sub_ subtract add __add__ mul __mul__ multiply div true_divide __truediv__ maximum "
    "minimum where pow __pow__ max min mse_loss l1_loss smooth_l1_loss huber_loss gaussian_nll_loss "
    "poisson_nll_loss kl_div".split()
)
_EXPLAINS = (
    "lr-too-high",
    "lr-too-low",
    "underfitting",
    "saturated-units",
    "unscaled-targets",
    "vanishing-gradients",
    "dead-relu",
    "stopped-too-early",
    "optimizer-settings",
    "loss-sign",
    "overfitting",
    "batch-size",
    "exploding-gradients",
    "wrong-labels",
    "data-leak",
    "batch-mixing",
    "label-noise",
    "saddle-point",
    "over-regularized",
    "bad-columns",
    "wrong-loss",
    "loss-scale",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossBroadcast(CaseCheck):
    """Find a learned and a given value of N entries each that meet as (N, 1) and (N,): N x N are compared.

    Only shapes of different rank count: whoever writes (N, 1) against (1, N) wants every pair.
    """

    name: ClassVar[str] = "loss-broadcast"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = [look for look in facts.looks_of(facts.course) if look.losses()]
        hits = [(look, hit) for look in looks if (hit := _spread(look)) is not None]
        if not hits or len(hits) < 0.8 * len(looks):
            return []
        look, (op, prediction, target) = hits[-1]
        a, b = look.values[prediction].shape, look.values[target].shape
        count = math.prod(a)
        values = {"prediction": str(tuple(a)), "target": str(tuple(b)), "count": count**2, "rows": count}
        made = origin(look, prediction)
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.99,
                place=_place(case, look, op, target, made, len(a) < len(b)),
                evidence=[seen("compared", count**2, f"{count}")],
                values=values,
                layer=case.path(made.module) if made is not None else None,
                explains=_EXPLAINS,
            )
        ]


def _spread(look: Look) -> tuple[Op, int, int] | None:
    """Return the operation on the way to the losses that spreads two values of one size over all pairs."""
    known = learned(look)
    for loss in look.losses():
        for op in look.trail(loss):
            if op.kind != "function" or len(op.inputs) < 2 or op.name not in _ELEMENTWISE:
                continue
            first, second = op.inputs[:2]
            a, b = look.values[first].shape, look.values[second].shape
            size = math.prod(a)
            if len(a) == len(b) or size != math.prod(b) or size < 2 or (first in known) == (second in known):
                continue
            if [n for n in a if n > 1] != [n for n in b if n > 1] or any(
                look.values[n].parameter is not None for n in op.inputs[:2]
            ):
                continue
            if math.prod(torch.broadcast_shapes(a, b)) > size and _is_data(look, second if first in known else first):
                return (op, first, second) if first in known else (op, second, first)
    return None


def _is_data(look: Look, number: int) -> bool:
    """Return whether a value holds different numbers: to spread a constant changes nothing."""
    value = kept(look, number)
    return value is None or bool((value != value.flatten()[0]).any())


def _place(case: Case, look: Look, op: Op, target: int, made: Op | None, is_target: bool) -> Place | None:
    """Return the line to change: the target's where it has the extra axis, else the one that made the prediction."""
    if is_target:
        maker = look.maker(target)
        return (maker.place if maker is not None else None) or op.place
    return (
        place_of(case, made) if made is not None and made.module is None else made.place if made else None
    ) or op.place
