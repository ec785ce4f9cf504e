"""Calls of a trained model that are no part of training: what reports and measures are made of."""

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from thalweg.diagnosis.checks.loop.threads import held_by
from thalweg.diagnosis.watching import Case, Look, Op

NORMS = (nn.modules.batchnorm._BatchNorm,)
DROPOUTS = (nn.modules.dropout._DropoutNd,)
DROPOUT_FUNCTIONS = (
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "alpha_dropout",
    "feature_alpha_dropout",
    "dropout_",
    "feature_dropout",
)


@dataclasses.dataclass(frozen=True)
class Call:
    """One call of a trained model from outside any module, and what was called within it."""

    look: Look
    op: Op
    inner: tuple[Op, ...]

    @property
    def dropping(self) -> list[Op]:
        """Return the calls that drop units: functions told to, recurrent and attention modules in training mode."""
        return [op for op in self.inner if drops(op)]

    @property
    def normalising(self) -> list[Op]:
        """Return the calls of batch norms that take the batch's own statistics though they keep running ones."""
        return [
            op
            for op in self.inner
            if op.kind == "module" and isinstance(op.func, NORMS) and op.training and op.func.running_mean is not None
        ]


def drops(op: Op) -> bool:
    if op.kind == "function" and op.name in DROPOUT_FUNCTIONS:
        p = op.kwargs.get("p", op.args[1] if len(op.args) > 1 else 0.5)
        return bool(op.kwargs.get("training", op.args[2] if len(op.args) > 2 else True)) and bool(p)
    if op.kind == "module" and op.training:
        recurrent = isinstance(op.func, nn.RNNBase) and op.func.num_layers > 1
        return (recurrent or isinstance(op.func, nn.MultiheadAttention)) and op.func.dropout > 0
    return False


def trained_models(case: Case) -> list[nn.Module]:
    """Return the roots that hold parameters of an optimizer that takes steps."""
    own = {id(p) for course in case.courses if course.steps for p in held_by(course)}
    return [root.module for root in case.roots if any(id(p) in own for p in root.module.parameters())]


def calls(look: Look, models: Sequence[nn.Module]) -> Iterator[Call]:
    """Return the calls of models in a look, each with what it called: an operation is written down after its parts."""
    inner: list[Op] = []
    for op in look.ops:
        if op.depth > 0:
            inner.append(op)
        elif op.kind == "module":
            if any(op.func is model for model in models):
                yield Call(look, op, tuple(inner))
            inner = []


def training_calls(case: Case, looks: Sequence[Look]) -> list[Call]:
    """Return the calls that a loss depends on, with gradients."""
    models = trained_models(case)
    found = []
    for look in looks:
        behind = {id(op) for number in look.losses() for op in look.ancestors(number)}
        found += [call for call in calls(look, models) if call.op.grad and id(call.op) in behind]
    return found


def evaluation_calls(case: Case) -> list[Call]:
    """Return the calls whose results were used for something other than a loss or the targets of one.

    What a training step computes without gradients and then learns from (targets, generated rows, parts of a model) is
    found by its line, and left out wherever that line is met again; so are calls whose results nobody used, which only
    set statistics.
    """
    models = trained_models(case)
    teaching = set()
    for look in case.looks:
        behind = {id(op) for number in look.losses() for op in look.ancestors(number)}
        teaching |= {call.op.place for call in calls(look, models) if id(call.op) in behind and not call.op.grad}
        within = (op for call in calls(look, models) if call.op.grad for op in call.inner)
        teaching |= {op.place for op in within if op.kind == "module" and not op.grad}
    found = []
    for look in [*case.looks, *case.views]:
        behind = {id(op) for number in look.losses() for op in look.ancestors(number)}
        taken = {number for op in look.ops if op.depth == 0 for number in op.inputs}
        for call in calls(look, models):
            if id(call.op) not in behind and call.op.place not in teaching and taken.intersection(call.op.outputs):
                found.append(call)
    return sorted(found, key=lambda call: call.look.step)


class Still(TorchFunctionMode):
    """Let every dropout give back what it is given, also one that is told to drop in both modes."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in DROPOUT_FUNCTIONS:
            return args[0]
        return func(*args, **(kwargs or {}))


def in_mode(look: Look, training: bool) -> Look:
    """Return a look whose modules are all called in one mode."""
    other = copy.copy(look)
    other.ops = [dataclasses.replace(op, training=training) if op.kind == "module" else op for op in look.ops]
    other.plans = {}
    return other
