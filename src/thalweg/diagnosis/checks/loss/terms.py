"""What a loss is the sum of: its terms before they are averaged or added up, and what each entry weighs in it."""

import dataclasses
import math

from thalweg.diagnosis.checks.loss.tracing import PASSING, constant
from thalweg.diagnosis.checks.loss.trying import entries
from thalweg.diagnosis.meeting import Meeting, meetings
from thalweg.diagnosis.watching import Look, Op, Ref

_ADDS = {
    "add": 1.0,
    "__add__": 1.0,
    "add_": 1.0,
    "__iadd__": 1.0,
    "__radd__": 1.0,
    "sub": -1.0,
    "__sub__": -1.0,
    "sub_": -1.0,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Term:
    """One term: the loss holds `weight` times the sum of its entries. `met` is where it compares with targets."""

    number: int
    weight: float
    count: int
    op: Op
    met: Meeting | None

    @property
    def mass(self) -> float:
        """Return what all entries weigh together: 1 for a mean, their number for a sum."""
        return abs(self.weight) * self.count


def terms(look: Look, loss: int) -> list[Term]:
    """Return the terms of a loss that something learned has a part in; none where its last steps are not linear."""
    mets = {id(met.op): met for met in meetings(look)}
    found: list[Term] = []
    _walk(look, loss, 1.0, mets, found, 0)
    return found


def _walk(look: Look, number: int, weight: float, mets: dict[int, Meeting], found: list[Term], depth: int) -> None:
    op, value = look.source(number), look.values[number]
    if op is None or not value.requires_grad or depth > 60:
        return
    count = math.prod(value.shape)
    if (met := mets.get(id(op))) is not None and met.reduction in ("mean", "sum", "batchmean"):
        size = entries(look, met)
        by = {"mean": size, "sum": 1, "batchmean": look.values[met.prediction].shape[0]}[met.reduction]
        found.append(Term(number, weight / by, size, op, met))
        return
    step = _step(look, op, weight, count)
    if step is None:
        met = next((met for before in (op, *look.trail(number)) if (met := mets.get(id(before))) is not None), None)
        found.append(Term(number, weight, count, op, met))
        return
    for inner, inner_weight in step:
        _walk(look, inner, inner_weight, mets, found, depth + 1)


def _step(look: Look, op: Op, weight: float, count: int) -> list[tuple[int, float]] | None:
    """Return what a linear operation is made of and what its entries weigh; None for any other."""
    if not op.inputs:
        return None
    first = op.inputs[0]
    if op.name in ("sum", "mean"):
        size = math.prod(look.values[first].shape)
        return [(first, weight if op.name == "sum" else weight * count / max(size, 1))]
    if op.name == "neg":
        return [(first, -weight)]
    if op.name in PASSING and op.name not in (
        "cat",
        "stack",
        "expand",
        "__getitem__",
        "select",
        "narrow",
        "chunk",
        "split",
        "index_select",
    ):
        return [(first, weight)]
    if op.name in _ADDS:
        shapes = {look.values[n].shape for n in op.inputs if look.values[n].requires_grad}
        if len(shapes) > 1 or any(math.prod(shape) != count for shape in shapes):
            return None
        signs = [1.0, _ADDS[op.name]]
        return [(arg.number, weight * sign) for arg, sign in zip(op.args, signs, strict=False) if isinstance(arg, Ref)]
    if op.name in ("rsub", "__rsub__"):
        return [(first, -weight)] if len(op.inputs) == 1 else None
    if op.name in ("mul", "__mul__", "mul_", "div", "true_divide", "__truediv__", "div_") and len(op.args) == 2:
        left, right = op.args
        factor, inner = (
            (constant(look, right), left) if constant(look, right) is not None else (constant(look, left), right)
        )
        if (
            factor is None
            or not isinstance(inner, Ref)
            or (op.name.strip("_") in ("div", "true_divide", "truediv") and (inner is right or not factor))
        ):
            return None
        return [(inner.number, weight / factor if "div" in op.name else weight * factor)]
    return None
