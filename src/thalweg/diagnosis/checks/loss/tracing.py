"""What made a value: the operation behind those that only reshape it, and the interval in which it must lie."""

import dataclasses
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.facts import kept as kept
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.watching import Look, Op, Ref

PASSING = frozenset(
    "view reshape squeeze unsqueeze flatten __getitem__ float double half bfloat16 to contiguous transpose permute T "
    "mT t type type_as view_as reshape_as select narrow movedim swapaxes clone identity squeeze_ unsqueeze_ cat stack "
    "expand unflatten ravel chunk split unbind index_select".split()
)
CLAMPS = frozenset("clamp clamp_ clip clip_ clamp_min clamp_max clamp_min_ clamp_max_ hardtanh hardtanh_".split())
SQUASHES = {  # function: the interval in which its values lie
    "sigmoid": (0.0, 1.0), "sigmoid_": (0.0, 1.0), "softmax": (0.0, 1.0), "gumbel_softmax": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "tanh_": (-1.0, 1.0), "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0), "sin": (-1.0, 1.0), "cos": (-1.0, 1.0),
    "relu": (0.0, math.inf), "relu_": (0.0, math.inf), "relu6": (0.0, 6.0),
    "softplus": (0.0, math.inf), "exp": (0.0, math.inf), "abs": (0.0, math.inf), "square": (0.0, math.inf),
    "elu": (-1.0, math.inf), "elu_": (-1.0, math.inf),
    "log_softmax": (-math.inf, 0.0), "logsigmoid": (-math.inf, 0.0),
}  # fmt: skip
_ELU = ("elu", "elu_")


@dataclasses.dataclass(frozen=True, slots=True)
class Reach:
    """The interval in which a value lies, and the operation that keeps it there."""

    op: Op
    low: float
    high: float

    def misses(self, target: Tensor) -> Tensor:
        """Return how far each entry of a target lies outside."""
        return torch.relu(self.low - target) + torch.relu(target - self.high)


def origin(look: Look, number: int, *, through: Iterable[str] = ()) -> Op | None:
    """Return the function that made a value, behind those that reshape it; None where it came from outside."""
    passing = PASSING.union(through)
    for _ in range(60):
        op = look.source(number)
        if op is None or op.name not in passing or not op.inputs:
            return op
        number = op.inputs[0]
    return None


def reach(look: Look, number: int) -> Reach | None:
    """Return the interval of a value made by a squashing function and scaled and shifted by constants afterwards."""
    scale, shift = 1.0, 0.0  # value = scale * inner + shift
    for _ in range(60):
        op = look.source(number)
        if op is None or not op.inputs:
            return None
        if op.name in PASSING:
            number = op.inputs[0]
        elif op.name in SQUASHES:
            low, high = _interval(op)
            ends = sorted(scale * end + shift for end in (low, high))
            return Reach(op, ends[0], ends[1])
        elif (step := _affine(look, op)) is not None:
            number, factor, offset = step
            scale, shift = scale * factor, scale * offset + shift
        else:
            return None
    return None


def _interval(op: Op) -> tuple[float, float]:
    if op.name in _ELU:
        alpha = op.kwargs.get("alpha", op.args[1] if len(op.args) > 1 else 1.0)
        return (-float(alpha), math.inf)
    if op.name == "hardtanh":
        low, high = (
            op.kwargs.get(name, op.args[k] if len(op.args) > k else end)
            for name, k, end in (("min_val", 1, -1.0), ("max_val", 2, 1.0))
        )
        return (float(low), float(high))
    return SQUASHES[op.name]


def _affine(look: Look, op: Op) -> tuple[int, float, float] | None:
    """Return what an operation with a constant scales and shifts: its input, the factor and the offset."""
    name = op.name.strip("_")
    if name == "neg":
        return op.inputs[0], -1.0, 0.0
    if len(op.args) != 2 or op.kwargs:
        return None
    first, second = op.args
    parts = [constant(look, side) for side in (first, second)]
    if (parts[0] is None) == (parts[1] is None):
        return None
    value = parts[0] if parts[0] is not None else parts[1]
    inner = second if parts[0] is not None else first
    assert value is not None
    if not isinstance(inner, Ref):
        return None
    if name in ("mul", "multiply", "rmul", "imul"):
        return inner.number, value, 0.0
    if name in ("add", "radd", "iadd"):
        return inner.number, 1.0, value
    if name in ("div", "true_divide", "truediv", "itruediv") and parts[1] is not None and value:
        return inner.number, 1 / value, 0.0
    if name in ("sub", "isub", "subtract"):
        return (inner.number, 1.0, -value) if parts[1] is not None else (inner.number, -1.0, value)
    if name == "rsub":
        return (inner.number, -1.0, value) if parts[1] is not None else (inner.number, 1.0, -value)
    return None


def constant(look: Look, side: object) -> float | None:
    """Return the value of an argument that is one given number."""
    if isinstance(side, int | float) and not isinstance(side, bool):
        return float(side)
    if not isinstance(side, Ref):
        return None
    value = look.values[side.number]
    tensor = look.tensors.get(side.number)
    if tensor is None or value.requires_grad or tensor.numel() != 1:
        return None
    return float(tensor)


def meets_of(facts: Facts, *kinds: str) -> Iterator[tuple[Look, Meeting]]:
    """Return the first meeting of each look that has one of these kinds."""
    return ((look, met) for look, met in facts.meets if met.kind in kinds)


def are_probabilities(rows: Tensor, dim: int = 1) -> bool:
    """Return whether values are probabilities that sum to one over a dimension."""
    if rows.dim() <= dim or rows.shape[dim] < 2 or not rows.is_floating_point():
        return False
    sums = rows.sum(dim)
    return bool((rows >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))


def outside(look: Look, number: int) -> int:
    """Return the number under which the program outside modules knows a value, where it does."""
    inner = look.inner(number)
    return next(
        (n for n in range(len(look.values) - 1, -1, -1) if look.inner(n) == inner and _is_outside(look, n)), number
    )


def _is_outside(look: Look, number: int) -> bool:
    maker = look.maker(number)
    return maker is not None and maker.depth == 0


def axis_of(look: Look, op: Op) -> int | None:
    """Return the axis of a softmax, counted from the front."""
    if not op.inputs:
        return None
    rank = len(look.values[op.inputs[0]].shape)
    if not rank:
        return None
    place = 4 if op.name == "gumbel_softmax" else 1
    said = op.kwargs.get("dim", op.args[place] if len(op.args) > place else None)
    if not isinstance(said, int):
        said = -1 if op.name == "gumbel_softmax" else (0 if rank in (1, 3) else 1)
    return said % rank
