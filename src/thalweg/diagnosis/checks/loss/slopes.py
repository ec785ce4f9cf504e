"""The sign of a loss's derivative at a value, read off the operations between them, where they cannot be run again."""

from collections.abc import Mapping

from torch import Tensor

from thalweg.diagnosis.checks.loss.tracing import CLAMPS, PASSING, constant
from thalweg.diagnosis.watching import Look, Op, Ref

_RISING = (
    PASSING | CLAMPS | frozenset("sum mean log log1p exp sqrt sigmoid tanh relu softplus logsumexp cumsum log_".split())
)


def slope_of(look: Look, tensors: Mapping[int, Tensor], trail: list[Op], number: int) -> int | None:
    """Return 1 where the losses rise with every entry of a value, -1 where they fall, None where it cannot be told."""
    signs = {look.inner(number): 1}
    for op in reversed(trail):
        inner = [look.inner(n) for n in op.inputs]
        if not signs.keys() & set(inner) or look.inner(number) in (look.inner(n) for n in op.outputs):
            continue
        sign = _through(look, tensors, op, signs)
        if sign is None:
            return None
        signs.update({look.inner(n): sign for n in op.outputs})
    found = {sign for loss in look.losses() if (sign := signs.get(look.inner(loss))) is not None}
    return found.pop() if len(found) == 1 else None


def _through(look: Look, tensors: Mapping[int, Tensor], op: Op, signs: Mapping[int, int]) -> int | None:
    sides = [signs.get(look.inner(arg.number), 0) if isinstance(arg, Ref) else 0 for arg in op.args]
    if op.name in _RISING:
        return sides[0] if sides and sides[0] else None
    if op.name in ("neg", "rsub", "__rsub__"):
        return -sides[0] if sides[0] else None
    if len(sides) != 2:
        return None
    first, second = sides
    if op.name in ("add", "__add__", "add_", "sub", "__sub__", "sub_"):
        second = -second if "sub" in op.name else second
        return (first or second) if not first or not second or first == second else None
    if op.name in ("mul", "div", "true_divide", "mul_", "div_"):
        if (first and second) or (second and op.name.startswith(("div", "true"))):
            return None
        factor = _sign(look, tensors, op.args[1] if first else op.args[0])
        return (first or second) * factor if factor else None
    return None


def _sign(look: Look, tensors: Mapping[int, Tensor], arg: object) -> int | None:
    """Return the sign that all entries of an argument have."""
    if (value := constant(look, arg)) is not None:
        return (value > 0) - (value < 0)
    tensor = tensors.get(arg.number) if isinstance(arg, Ref) else None
    if tensor is None:
        return None
    return 1 if bool((tensor >= 0).all()) else -1 if bool((tensor <= 0).all()) else None
