"""Numbers that are reported and do not say what they should."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.evaluations import calls, trained_models
from thalweg.diagnosis.checks.loop.telling import seen, tell
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import meetings
from thalweg.diagnosis.watching import Case, Look, Op, Place, Ref
from thalweg.findings import Finding, Severity

Kind = Literal[
    "scores-rounded",
    "threshold-on-scores",
    "threshold-outside",
    "wrong-axis-taken",
    "one-column-taken",
    "smallest-taken",
    "scores-compared",
    "compared-with-all",
]

_PASSING = frozenset(
    "view reshape squeeze unsqueeze flatten float double half to cpu contiguous transpose permute T mT t type detach "
    "data view_as reshape_as clone squeeze_ unsqueeze_ numpy ravel".split()
)
_AGAIN = frozenset("long int bool float double to type type_as byte short".split())  # keep what was decided
_CUTS_OFF = ("long", "int", "bool", "short", "byte")  # of a real number: its whole part
_EQUAL = ("eq", "__eq__", "ne", "__ne__", "isclose")
_DIFFERENCES = ("sub", "__sub__", "rsub", "__rsub__", "mse_loss", "l1_loss")
_ABOVE = ("gt", "ge", "__gt__", "__ge__", "greater", "greater_equal")
_BELOW = ("lt", "le", "__lt__", "__le__")
_ROUNDS = ("round", "round_")
_LARGEST = ("argmax", "max", "topk")
_SMALLEST = ("argmin", "min")
_EXPLAINS = (
    "underfitting",
    "overfitting",
    "train-eval-mode",
    "class-imbalance",
    "train-test-mismatch",
    "stopped-too-early",
)
_MATTERS = 0.02  # of the rows, that are judged otherwise
_MOST = 0.9  # of the comparisons on a line


@dataclasses.dataclass(frozen=True)
class Hit:
    kind: Kind
    op: Op
    changed: float = 1.0  # share of rows that are judged otherwise


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WrongMetric(CaseCheck):
    """Find comparisons of outputs with targets that do not fit the loss the outputs were trained with.

    Followed is the chain from a model's output to a comparison: scores rounded or held against a half where the loss
    takes the sigmoid itself, probabilities held against a threshold they always pass, the largest entry taken over rows
    or of a single column, scores compared with labels, columns compared with rows. What is compared in numpy or in
    Python is not seen.
    """

    name: ClassVar[str] = "wrong-metric"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        trained = _trained_as(case)
        if any(_spreads(look, met.prediction, met.target) for look, met in facts.meets):
            return []
        lines: dict[Place | None, list[Hit | None]] = {}
        for look in [*case.looks, *case.views]:
            for op, hit in _judged(case, look, trained):
                lines.setdefault(op.place, []).append(hit)
        for judged in reversed(lines.values()):
            hits = [hit for hit in judged if hit is not None]
            changed = sum(hit.changed for hit in hits) / max(1, len(hits))
            if len(hits) >= _MOST * len(judged) and hits and changed > _MATTERS:
                return [self._told(hits, changed)]
        return []

    def _told(self, hits: Sequence[Hit], changed: float) -> Finding:
        last = hits[-1]
        partly = last.kind in ("scores-rounded", "threshold-on-scores")
        evidence = [seen("judged_otherwise", changed, "0")] if partly else []
        return tell(
            self.name,
            Severity.WARNING,
            0.95,
            said=last.kind,
            place=last.op.place,
            explains=_EXPLAINS,
            values={"percent": f"{100 * changed:.0f}", "function": last.op.name.strip("_")},
            evidence=[*evidence, seen("comparisons", len(hits), "0")],
        )


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a model's output is to its loss, where only reshaping lies between: the loss's `kind`, its classes."""

    kind: str
    classes: int
    axis: int  # of the classes in the model's own output, -1 where it was moved


def _trained_as(case: Case) -> dict[int, Trained]:
    """Return what the loss takes the outputs of each trained model for, by id of the model."""
    models = trained_models(case)
    found: dict[int, set[Trained]] = {}
    for look in case.looks:
        made = {call.op.outputs[0]: call.op.func for call in calls(look, models) if call.op.outputs}
        for met in meetings(look):
            number, ops = _back(look, met.prediction, made)
            if number in made:
                shape, out = look.values[met.prediction].shape, look.values[number].shape
                classes = shape[1] if met.kind in ("cross_entropy", "nll_loss") and len(shape) > 1 else 0
                found.setdefault(id(made[number]), set()).add(
                    Trained(met.kind, classes, 1 if shape == out and not ops else -1)
                )
    return {key: next(iter(kinds)) for key, kinds in found.items() if len({kind.kind for kind in kinds}) == 1}


def _back(look: Look, number: int, ends: dict[int, torch.nn.Module]) -> tuple[int, list[Op]]:
    """Follow a value back through what only reshapes it, to the output of a model."""
    ops = list[Op]()
    for _ in range(20):
        if number in ends:
            break
        op = look.maker(number)
        if op is None or op.kind != "function" or op.name not in _PASSING or not op.inputs:
            break
        ops.append(op)
        number = op.inputs[0]
    return number, ops


def _judged(case: Case, look: Look, trained: dict[int, Trained]) -> Iterator[tuple[Op, Hit | None]]:
    """Return the comparisons of a look that no loss depends on, with what is wrong with them if anything is."""
    made = {
        c.op.outputs[0]: c.op.func
        for c in calls(look, trained_models(case))
        if c.op.outputs and id(c.op.func) in trained
    }
    behind = {id(op) for number in look.losses() for op in look.trail(number)}
    for op in look.ops:
        if op.kind != "function" or id(op) in behind or len(op.inputs) != 2 or not op.outputs:
            continue
        if op.name in (*_EQUAL, *_DIFFERENCES) and op.depth <= 1:
            for side, other in (op.inputs, op.inputs[::-1]):
                decision = _decision(look, side, made)
                if decision.number in made:
                    yield op, _comparison(look, op, decision, other, trained[id(made[decision.number])])
                    break


@dataclasses.dataclass(frozen=True)
class Decision:
    """What became of a model's output before it was compared: which operation decided, and whether it was squashed."""

    op: Op | None
    number: int
    squashed: bool


def _decision(look: Look, number: int, ends: dict[int, torch.nn.Module]) -> Decision:
    """Follow a compared value back to a model's output, through reshaping, one decision and a squashing function."""
    found, squashed = None, False
    for _ in range(20):
        op = look.maker(number)
        if number in ends or op is None or op.kind != "function" or not op.inputs:
            break
        cuts = op.name in _CUTS_OFF and look.values[op.inputs[0]].dtype.is_floating_point
        if found is None and (op.name in (*_ROUNDS, *_ABOVE, *_BELOW, *_LARGEST, *_SMALLEST) or cuts):
            found = op
        elif op.name in ("sigmoid", "softmax", "log_softmax"):
            squashed = True
        elif op.name not in _PASSING and op.name not in _AGAIN:
            break
        number = op.inputs[0]
    return Decision(found, number, squashed)


def _comparison(look: Look, op: Op, decision: Decision, other: int, told: Trained) -> Hit | None:
    if _spreads(look, *op.inputs):
        return Hit("compared-with-all", op)
    if op.name in _DIFFERENCES or not _is_classifier(told):
        return None
    if decision.op is None:
        raw = not decision.squashed and look.values[decision.number].dtype.is_floating_point and op.name != "isclose"
        return Hit("scores-compared", op) if raw else None
    return _decided(look, decision, told)


def _is_classifier(told: Trained) -> bool:
    return told.classes > 1 or told.kind.startswith("binary_cross_entropy")


def _spreads(look: Look, one: int, other: int) -> bool:
    """Return whether two values of one size are spread over each other: columns against rows."""
    a, b = look.values[one].shape, look.values[other].shape
    if math.prod(a) != math.prod(b) or math.prod(a) < 2 or a == b or [n for n in a if n > 1] != [n for n in b if n > 1]:
        return False
    try:
        return math.prod(torch.broadcast_shapes(a, b)) > math.prod(a)
    except RuntimeError:
        return False


def _threshold(op: Op) -> float | None:
    """Return what a comparison holds its input against, if that is a number."""
    other = next((arg for arg in op.args[1:] if not isinstance(arg, Ref)), op.kwargs.get("other"))
    return float(other) if isinstance(other, int | float) and not isinstance(other, bool) else None


def _decided(look: Look, decision: Decision, told: Trained) -> Hit | None:
    op, level = decision.op, _threshold(decision.op) if decision.op is not None else None
    assert op is not None
    scores = told.kind == "binary_cross_entropy_with_logits" and not decision.squashed
    chances = told.kind == "binary_cross_entropy" or (decision.squashed and told.kind.startswith("binary"))
    if scores and op.name in (*_ROUNDS, *_CUTS_OFF):
        return Hit("scores-rounded", op, _otherwise(look, op, decision.number))
    if scores and op.name in _ABOVE and level == 0.5:
        return Hit("threshold-on-scores", op, _otherwise(look, op, decision.number))
    if chances and op.name in (*_ABOVE, *_BELOW) and level is not None and not 0 < level < 1:
        return Hit("threshold-outside", op)
    return _axis(look, op, told)


def _otherwise(look: Look, decision: Op, number: int) -> float:
    """Return the share of entries that a decision on scores judges otherwise than the sign does."""
    scores = look.tensors.get(number)
    if scores is None:
        return 1.0
    scores = scores.detach().double()
    decided = (
        torch.round(scores)
        if decision.name in _ROUNDS
        else scores.trunc()
        if decision.name in _CUTS_OFF
        else (scores > 0.5).double()
    )
    return float((decided != (scores > 0).double()).double().mean())


def _axis(look: Look, decision: Op, told: Trained) -> Hit | None:
    """Return what is wrong with taking the largest or smallest entry of an output whose classes lie along an axis."""
    if decision.name not in (*_LARGEST, *_SMALLEST) or not decision.inputs:
        return None
    shape = look.values[decision.inputs[0]].shape
    said = decision.kwargs.get(
        "dim", next((arg for arg in decision.args[1:] if isinstance(arg, int) and decision.name != "topk"), None)
    )
    if said is None and decision.name == "argmax" and len(shape) == 2 and min(shape) > 1 and told.classes > 1:
        return Hit("wrong-axis-taken", decision)
    if not shape or not isinstance(said, int):
        return None
    dim = said % len(shape)
    if told.classes > 1 and decision.name in _SMALLEST and shape[dim] == told.classes:
        return Hit("smallest-taken", decision)
    if shape[dim] == 1 and decision.name == "argmax":
        return Hit("one-column-taken", decision)
    if told.classes > 1 and shape[dim] != told.classes and told.classes in shape:
        return Hit("wrong-axis-taken", decision)
    return (
        Hit("wrong-axis-taken", decision)
        if told.classes > 1 and len(shape) == 2 and dim == 0 and told.axis == 1
        else None
    )
