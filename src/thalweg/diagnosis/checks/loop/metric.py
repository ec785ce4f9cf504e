"""Numbers that are reported and do not say what they should."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, final

import torch

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.evaluations import Call, calls, trained_models
from thalweg.diagnosis.checks.loop.telling import seen, tell
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import meetings
from thalweg.diagnosis.watching import Case, Look, Op, Ref
from thalweg.findings import Finding, Severity

Kind = Literal["scores-rounded", "threshold-on-scores", "threshold-outside", "wrong-axis-taken", "one-column-taken",
               "smallest-taken", "scores-compared", "compared-with-all"]  # fmt: skip

_PASSING = frozenset(
    "view reshape squeeze unsqueeze flatten float double half to cpu contiguous transpose permute T mT t type detach data "
    "view_as reshape_as clone squeeze_ unsqueeze_ numpy ravel".split()
)
_AGAIN = frozenset("long int bool float double to type type_as byte short".split())  # keep what was decided
_EQUAL = ("eq", "__eq__", "ne", "__ne__", "isclose")
_ABOVE = ("gt", "ge", "__gt__", "__ge__", "greater", "greater_equal")
_BELOW = ("lt", "le", "__lt__", "__le__")
_ROUNDS = ("round", "round_")
_LARGEST = ("argmax", "max", "topk")
_SMALLEST = ("argmin", "min")
_EXPLAINS = ("underfitting", "overfitting", "train-eval-mode", "class-imbalance", "train-test-mismatch", "stopped-too-early")
_MATTERS = 0.02  # of the rows, that are judged otherwise


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
        hits, clean = list[Hit](), 0
        for look in [*case.looks, *case.views]:
            for hit in _judged(case, look, trained):
                if hit is None:
                    clean += 1
                else:
                    hits.append(hit)
        hits = [hit for hit in hits if hit.changed > _MATTERS]
        if not hits or len(hits) <= clean:
            return []
        last = hits[-1]
        same = [hit for hit in hits if hit.kind == last.kind]
        changed = sum(hit.changed for hit in same) / len(same)
        evidence = [seen("judged_otherwise", changed, "0")] if last.kind in ("scores-rounded", "threshold-on-scores") else []
        return [
            tell(
                self.name, Severity.WARNING, 0.95, said=last.kind, place=last.op.place, explains=_EXPLAINS,
                values={"percent": f"{100 * changed:.0f}", "function": last.op.name.strip("_")},
                evidence=[*evidence, seen("comparisons", len(same), "0")],
            )
        ]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a model's output is to its loss: `kind` of the loss if nothing but reshaping lies between, and its classes."""

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
                found.setdefault(id(made[number]), set()).add(Trained(met.kind, classes, 1 if shape == out and not ops else -1))
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


def _judged(case: Case, look: Look, trained: dict[int, Trained]) -> Iterator[Hit | None]:
    """Return for each comparison of a look that a loss does not depend on what is wrong with it, None where it is right."""
    models = trained_models(case)
    made = {call.op.outputs[0]: call for call in calls(look, models) if call.op.outputs and id(call.op.func) in trained}
    behind = {id(op) for number in look.losses() for op in look.trail(number)}
    for op in look.ops:
        if op.kind == "function" and op.module is None and id(op) not in behind and op.name in _EQUAL and len(op.inputs) == 2:
            yield from _comparison(look, op, made, trained)


def _comparison(look: Look, op: Op, made: dict[int, Call], trained: dict[int, Trained]) -> Iterator[Hit | None]:
    ends = {number: call.op.func for number, call in made.items()}
    for side, other in (op.inputs, op.inputs[::-1]):
        decision, number = _decision(look, side, ends)
        if number not in made:
            continue
        told = trained[id(made[number].op.func)]
        ours, theirs, result = (look.values[n].shape for n in (side, other, op.outputs[0])) if op.outputs else ((), (), ())
        size = math.prod(ours)
        if size > 1 and size == math.prod(theirs) and ours != theirs and math.prod(result) > size:
            yield Hit("compared-with-all", op)
        else:
            yield _decided(look, op, decision, number, other, told)
        return


def _decision(look: Look, number: int, ends: dict[int, torch.nn.Module]) -> tuple[Op | None, int]:
    """Follow a compared value back: (the operation that decided, the number it decided on) and on to a model's output."""
    decision: Op | None = None
    for _ in range(20):
        if number in ends:
            break
        op = look.maker(number)
        if op is None or op.kind != "function" or not op.inputs:
            break
        if decision is None and op.name in (*_ROUNDS, *_ABOVE, *_BELOW, *_LARGEST, *_SMALLEST):
            decision = op
        elif op.name in ("sigmoid", "softmax") and decision is not None:
            source, _ = _back(look, op.inputs[0], ends)
            outside = _threshold(decision) is not None and not 0 < float(_threshold(decision) or 0) < 1
            return (decision, source) if outside and decision.name in (*_ABOVE, *_BELOW) else (None, source)
        elif op.name not in _PASSING and op.name not in _AGAIN:
            break
        number = op.inputs[0]
    return decision, number


def _threshold(op: Op) -> float | None:
    """Return what a comparison holds its input against, if that is a number."""
    other = next((arg for arg in op.args[1:] if not isinstance(arg, Ref)), op.kwargs.get("other"))
    return float(other) if isinstance(other, int | float) and not isinstance(other, bool) else None


def _decided(look: Look, op: Op, decision: Op | None, number: int, other: int, told: Trained) -> Hit | None:
    scores = told.kind == "binary_cross_entropy_with_logits"
    if decision is None:
        return None
    if decision.name in _ROUNDS and scores and look.maker(number) is not None:
        return _if_direct(look, Hit("scores-rounded", decision), number)
    if decision.name in _ABOVE and scores and _threshold(decision) == 0.5:
        return _if_direct(look, Hit("threshold-on-scores", decision), number)
    return _axis(look, decision, told)


def _if_direct(look: Look, hit: Hit, number: int) -> Hit:
    return dataclasses.replace(hit, changed=_otherwise(look, hit.op, number))


def _otherwise(look: Look, decision: Op, number: int) -> float:
    """Return the share of entries that a decision on scores judges otherwise than the sign does."""
    scores = look.tensors.get(number)
    if scores is None:
        return 1.0
    scores = scores.detach().double()
    decided = torch.round(scores) if decision.name in _ROUNDS else (scores > 0.5).double()
    return float((decided != (scores > 0).double()).double().mean())


def _axis(look: Look, decision: Op, told: Trained) -> Hit | None:
    """Return what is wrong with taking the largest or smallest entry of an output whose classes lie along an axis."""
    if decision.name not in (*_LARGEST, *_SMALLEST) or not decision.inputs:
        return None
    shape = look.values[decision.inputs[0]].shape
    said = decision.kwargs.get("dim", next((arg for arg in decision.args[1:] if isinstance(arg, int) and decision.name != "topk"), None))
    if not shape or not isinstance(said, int):
        return None
    dim = said % len(shape)
    if told.classes > 1 and decision.name in _SMALLEST and shape[dim] == told.classes:
        return Hit("smallest-taken", decision)
    if shape[dim] == 1 and decision.name == "argmax":
        return Hit("one-column-taken", decision)
    if told.classes > 1 and shape[dim] != told.classes and told.classes in shape:
        return Hit("wrong-axis-taken", decision)
    return Hit("wrong-axis-taken", decision) if told.classes > 1 and len(shape) == 2 and dim == 0 and told.axis == 1 else None
