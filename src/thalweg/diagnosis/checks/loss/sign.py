"""A loss with the wrong sign: errors are made larger, likelihoods and similarities smaller."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.reward import falling_reward
from thalweg.diagnosis.checks.loss.slopes import slope_of
from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.checks.loss.tracing import PASSING
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import LOSSES, learned
from thalweg.diagnosis.replay import CannotPlay, Deep, can_play, deeply, held
from thalweg.diagnosis.watching import Case, Look, Op, Place
from thalweg.findings import Finding, Severity

_LOGS = ("log", "log_softmax", "logsigmoid", "log_")
_ERRORS = (*LOSSES, "cosine_embedding_loss", "margin_ranking_loss", "triplet_margin_loss", "ctc_loss")
_REDUCES = ("sum", "mean", "dot", "einsum", "tensordot")
_EXPLAINS = (
    "lr-too-high",
    "lr-too-low",
    "non-finite",
    "exploding-gradients",
    "wrong-labels",
    "underfitting",
    "saturated-units",
    "overfitting",
    "wrong-metric",
    "harmful-augmentation",
    "stopped-too-early",
    "data-leak",
    "optimizer-settings",
    "dead-relu",
    "vanishing-gradients",
    "saddle-point",
    "unscaled-targets",
    "label-noise",
    "logits-into-probability-loss",
    "bad-init-scale",
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Measure:
    """A value that says how well it goes: `good` is 1 where it is to rise, -1 where it is to fall."""

    op: Op
    number: int
    good: int
    kind: str


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossSign(CaseCheck):
    """Find errors that are made larger, or likelihoods, similarities and overlaps that are made smaller.

    Each known measure m on the way to the loss has a sign: d loss / d m >= 0 for errors, <= 0 for what is to rise. Only
    where every measure goes the wrong way, in every look, is it a fault: another term may hold one down. Two
    networks that play against each other are left out.
    """

    name: ClassVar[str] = "loss-sign"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        course = facts.course
        if course is None or any(g.get("maximize") for g in course.first_settings) or not _is_alone(case):
            return []
        looks, wrong = [look for look in facts.looks_of(course) if look.losses()][-3:], list[tuple[Look, _Measure]]()
        with held(case):
            for look in looks:
                measure = _against(look)
                if measure is not None:
                    wrong.append((look, measure))
        if not wrong:
            return falling_reward(self.name, facts)
        if len(wrong) < len(looks):
            return []
        look, measure = wrong[-1]
        evidence = [seen("loss_start", facts.start), seen("loss_end", facts.end)]
        said = {
            "similarity": "similarity-minimised",
            "overlap": "overlap-minimised",
            "likelihood": "likelihood-minimised",
        }.get(measure.kind)
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.9 if measure.kind in ("similarity", "overlap") else 0.97,
                said=said,
                place=_line(look, measure.op),
                evidence=evidence,
                values={"function": measure.op.name},
                explains=_EXPLAINS,
            )
        ]


def _line(look: Look, op: Op) -> Place | None:
    """Return the line that makes the loss of it: where the sign is to be turned."""
    return next((step.place for step in look.trail(look.losses()[0]) if step.place is not None), op.place)


def _is_alone(case: Case) -> bool:
    """Return whether one optimizer is at work at a time: two may pull at a loss from both ends."""
    return all(len({id(op.optimizer) for op in look.events("step")}) <= 1 for look in case.looks) and (
        sum(course.optimizer is not None and course.steps > 0 for course in case.courses) == 1
    )


def _against(look: Look) -> _Measure | None:
    """Return a measure that is driven the wrong way, where all of them are; None where that cannot be told."""
    seen, deep = look, None
    if can_play(look):
        try:
            deep = deeply(look)
            seen = deep.look
        except CannotPlay:
            deep = None
    trail = [op for number in seen.losses() for op in seen.trail(number)]
    tensors = (
        dict(enumerate(t.detach() for t in deep.tensors))
        if deep is not None
        else {n: t.detach() for n, t in seen.tensors.items()}
    )
    wrong = []
    for measure in _measures(seen, tensors, trail):
        weights = [tensors.get(n) for n in _weights(seen, trail, measure.op)]
        if any(weight is None or bool((weight < 0).any()) for weight in weights):
            continue  # rewards: what is to rise and what to fall is theirs to say
        slope = _slope(deep, measure) if deep is not None else slope_of(seen, tensors, trail, measure.number)
        if slope is None or slope == 0:
            continue
        if not slope * measure.good > 0:
            return None
        wrong.append(measure)
    return wrong[0] if wrong else None


def _slope(deep: Deep, measure: _Measure) -> int | None:
    """Return the sign that the loss's derivative has at every entry of a measure; 2 where signs differ."""
    (grad,) = deep.gradients([measure.number])
    if grad is None or not bool(torch.isfinite(grad).all()) or not bool(grad.any()):
        return None
    return 1 if bool((grad >= 0).all()) else -1 if bool((grad <= 0).all()) else 2 * -measure.good


def _measures(look: Look, tensors: Mapping[int, Tensor], trail: list[Op]) -> Iterator[_Measure]:
    known = learned(look)
    for op in trail:
        if op.kind != "function" or not op.inputs or not op.outputs:
            continue
        if op.name in _ERRORS and len(op.inputs) > 1 and any(n in known for n in op.inputs):
            yield _Measure(op, op.outputs[0], -1, "error")
        elif op.name in ("sub", "rsub", "__rsub__", "__sub__") and _meets(look, op, known):
            yield from (
                _Measure(step, step.outputs[0], -1, "error")
                for step in trail
                if _measures_size(look, step, op.outputs[0])
            )
        elif op.name in _LOGS and op.inputs[0] in known and _is_picked(look, tensors, trail, op, known):
            yield _Measure(op, op.outputs[0], 1, "likelihood")
        elif op.name == "cosine_similarity" and _is_all(look, trail, op):
            yield _Measure(op, op.outputs[0], 1, "similarity")
        elif (
            op.name == "mul"
            and len(op.inputs) == 2
            and _is_dot_of_units(look, tensors, op)
            and _is_all(look, trail, op)
        ):
            yield _Measure(op, op.outputs[0], 1, "similarity")
        elif op.name in ("div", "__truediv__", "true_divide") and len(op.inputs) == 2 and op.inputs[1] in known:
            product = _overlap(look, op, known)
            if product is not None and not look.values[op.outputs[0]].shape[1:]:
                yield _Measure(op, op.outputs[0], 1, "overlap")


def _meets(look: Look, op: Op, known: set[int]) -> bool:
    """Return whether a difference is one of something learned and something given."""
    if len(op.inputs) != 2 or (op.inputs[0] in known) == (op.inputs[1] in known):
        return False
    given = op.inputs[1] if op.inputs[0] in known else op.inputs[0]
    return look.values[given].parameter is None and bool(look.values[given].shape)


def _measures_size(look: Look, step: Op, difference: int) -> bool:
    if step.name not in ("pow", "square", "abs", "absolute", "__abs__", "mul") or not step.inputs:
        return False
    inner = look.inner(difference)
    if step.name == "pow" and (len(step.args) < 2 or step.args[1] not in (2, 4, 2.0, 4.0)):
        return False
    return all(look.inner(n) == inner for n in step.inputs) and (step.name != "mul" or len(step.inputs) == 2)


def _is_picked(look: Look, tensors: Mapping[int, Tensor], trail: list[Op], op: Op, known: set[int]) -> bool:
    """Return whether given labels pick or weight these logarithms of probabilities, and nothing else does."""
    number = look.inner(op.outputs[0])
    value = tensors.get(op.outputs[0])
    if value is None or float(value.max()) > 1e-4:
        return False  # no logarithms of probabilities
    users = [step for step in trail if number in (look.inner(n) for n in step.inputs)]
    if len(users) != 1:
        return False
    step = users[0]
    others = [n for n in step.inputs if look.inner(n) != number]
    if not others or any(n in known for n in others):
        return False
    if step.name in ("gather", "__getitem__", "take_along_dim"):
        return not _weights(look, trail, step)
    given = tensors.get(others[0])
    if given is None or not bool(((given >= 0) & (given <= 1)).all()):
        return False
    return step.name in ("mul", "multiply") and not _weights(look, trail, step)


def _weights(look: Look, trail: list[Op], op: Op) -> list[int]:
    """Return the tensors without gradient that a value is multiplied by afterwards: rewards, weights, masks."""
    number, found = look.inner(op.outputs[0]), list[int]()
    for step in reversed(trail):
        if number in (look.inner(n) for n in step.inputs):
            others = [n for n in step.inputs if look.inner(n) != number]
            if step.name in ("mul", "multiply", "where"):
                found += [n for n in others if not look.values[n].requires_grad and look.values[n].shape]
            number = look.inner(step.outputs[0])
    return found


def _is_dot_of_units(look: Look, tensors: Mapping[int, Tensor], op: Op) -> bool:
    """Return whether a product is one of two vectors of length one each, entry by entry."""
    sides = [tensors.get(n) for n in op.inputs]
    if any(side is None or side.dim() < 2 or side.shape[-1] < 2 or not side.is_floating_point() for side in sides):
        return False
    lengths = [side.double().norm(dim=-1) for side in sides if side is not None]
    if not all(bool(((length - 1).abs() < 1e-3).all()) for length in lengths):
        return False
    makers = [_behind(look, n) for n in op.inputs]
    return makers[0] is not makers[1] and any(
        maker is not None and maker.name in ("normalize", "div") for maker in makers
    )


def _behind(look: Look, number: int) -> Op | None:
    op = look.source(number)
    while op is not None and op.name in (*PASSING, "detach") and op.inputs:
        op = look.source(op.inputs[0])
    return op


def _overlap(look: Look, op: Op, known: set[int]) -> Op | None:
    """Return the product of learned and given values whose sum stands above the line: Dice, correlation."""
    number = op.inputs[0]
    for _ in range(8):
        step = look.source(number)
        if step is None or not step.inputs:
            return None
        if step.name == "mul" and len(step.inputs) == 2 and all(look.values[n].shape for n in step.inputs):
            return step if (step.inputs[0] in known) != (step.inputs[1] in known) else None
        if step.name not in (*_REDUCES, "mul", "add", *PASSING):
            return None
        number = step.inputs[0]
    return None


def _is_all(look: Look, trail: list[Op], op: Op) -> bool:
    """Return whether nothing else that is learned goes into the loss beside this measure."""
    later = trail[: trail.index(op)]
    inner = {number for step in later for number in step.outputs} | set(op.outputs)
    return all(look.inner(n) in inner or not look.values[n].requires_grad for step in later for n in step.inputs)
