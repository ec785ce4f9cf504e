"""What goes through a network at one step: the spread of every layer's values and of the gradients at them.

Measured on captured looks, with the weights before training or with those at the end.
"""

import dataclasses
import math
from collections.abc import Sequence

from torch import Tensor, nn

from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, Deep, deeply, held
from thalweg.diagnosis.watching import Case, Look, Op

LINEAR = frozenset(
    "linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d matmul __matmul__ mm bmm addmm".split()
)
RECTIFIERS = frozenset("relu relu_ threshold relu6 hardtanh clamp_min clamp".split())
SATURATING = frozenset("sigmoid sigmoid_ tanh tanh_ hardsigmoid softsign".split())
_OTHERS = frozenset(
    "gelu elu selu silu leaky_relu celu mish hardswish softplus prelu rrelu glu logsigmoid elu_ leaky_relu_".split()
)
ACTIVATIONS = RECTIFIERS | SATURATING | _OTHERS
_TURNED = frozenset(("t", "T", "transpose", "__get__"))  # between a matrix of weights and where it is used
FLAT = 1e-2  # slope of an activation below which nothing is learnt through it
_LOOKS = 4


@dataclasses.dataclass(frozen=True)
class Layer:
    """One operation that has weights, or an activation, at one step."""

    op: Op
    name: str
    std: float  # of its values over all rows and units
    gradient: float  # root mean square of the loss's gradient at its values
    dead: float  # share of units that are zero for every row; for rectifiers
    flat: float  # share of entries where an activation's slope is below `FLAT`
    weight: nn.Parameter | None


@dataclasses.dataclass(frozen=True)
class Passage:
    """A whole step: its layers in the order in which data meets them."""

    look: Look
    layers: tuple[Layer, ...]
    input_std: float
    loss: float

    @property
    def weighted(self) -> list[Layer]:
        return [layer for layer in self.layers if layer.weight is not None]

    @property
    def activations(self) -> list[Layer]:
        return [layer for layer in self.layers if layer.op.name in ACTIVATIONS]


def passages(case: Case, facts: Facts, *, start: bool) -> list[Passage]:
    """Return what goes through the network on some looks, before training or at the end; worked out once."""
    store: dict[bool, list[Passage]] = facts.memory.setdefault("passages", {})
    if start not in store:
        store[start] = _measured(case, facts, start=start)
    return store[start]


def _measured(case: Case, facts: Facts, *, start: bool) -> list[Passage]:
    looks = _spread(facts.playable)
    found = []
    with held(case) as lent:
        if start:
            if not lent.has_start:
                return []
            lent.to_start()
        for look in looks:
            try:
                found.append(_passage(case, deeply(look)))
            except CannotPlay:
                continue
    return found


def _spread(looks: Sequence[Look]) -> list[Look]:
    if len(looks) <= _LOOKS:
        return list(looks)
    return [looks[round(k * (len(looks) - 1) / (_LOOKS - 1))] for k in range(_LOOKS)]


def _passage(case: Case, deep: Deep) -> Passage:
    look = deep.look
    ops = [op for op in look.trail(look.losses()[0])[::-1] if op.outputs and op.name in LINEAR | ACTIVATIONS]
    ops = [op for op in ops if op.name in ACTIVATIONS or _weight(look, op) is not None]
    gradients = deep.gradients([op.outputs[0] for op in ops])
    layers = tuple(_layer(case, deep, op, gradient) for op, gradient in zip(ops, gradients, strict=True))
    first = next((op for op in ops if _weight(look, op) is not None and op.inputs), None)
    spread = _std(deep.tensors[first.inputs[0]]) if first else math.nan
    return Passage(look, layers, spread, float(deep.loss))


def _layer(case: Case, deep: Deep, op: Op, gradient: Tensor | None) -> Layer:
    value = deep.tensors[op.outputs[0]].detach()
    return Layer(
        op=op,
        name=case.path(op.module),
        std=_std(value),
        gradient=_rms(gradient),
        dead=_dead(op, value),
        flat=_flat(op, value),
        weight=_weight(deep.look, op),
    )


def _weight(look: Look, op: Op) -> nn.Parameter | None:
    """Return the matrix of weights of an operation."""
    if op.name not in LINEAR:
        return None
    matrices = (look.values[look.inner(n)].parameter for n in op.inputs)
    found = next((p for p in matrices if p is not None and p.dim() > 1), None)
    if found is None:  # a transposed or normalised weight
        for number in op.inputs[1:]:
            maker = look.source(number)
            if maker is not None and maker.name in _TURNED:
                found = next((p for n in maker.inputs if (p := look.values[look.inner(n)].parameter) is not None), None)
    return found


def _dead(op: Op, value: Tensor) -> float:
    if op.name not in RECTIFIERS or value.dim() < 2 or len(value) < 2:
        return 0.0
    axis = 1 if value.dim() != 3 else 2
    units = value.movedim(axis, 0).reshape(value.shape[axis], -1)
    return float((units <= 0).all(1).double().mean())


def _flat(op: Op, value: Tensor) -> float:
    if op.name.startswith("tanh"):
        slope = 1 - value.double() ** 2
    elif op.name.startswith("sigmoid"):
        slope = 4 * value.double() * (1 - value.double())
    else:
        return 0.0
    return float((slope < FLAT).double().mean())


def _std(value: Tensor) -> float:
    """Return how far rows differ from one another: what a layer tells of its input."""
    if not value.is_floating_point() or value.dim() < 2 or len(value) < 2:
        return math.nan
    return float(value.detach().double().var(0).mean().sqrt())


def _rms(value: Tensor | None) -> float:
    return 0.0 if value is None else float(value.double().pow(2).mean().sqrt())
