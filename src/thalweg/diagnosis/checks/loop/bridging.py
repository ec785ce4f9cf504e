"""Takes a cut of the graph away in a replay: what it would be to let the gradient through there."""

import contextlib
import copy
import dataclasses
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from thalweg.diagnosis.replay import CannotPlay, can_play, held, loss_of
from thalweg.diagnosis.watching import Case, Look, Op, Place
from thalweg.diagnosis.watching.places import here

DETACHES = ("detach", "detach_", "data")
_DATA = getattr(torch.Tensor, "data").__get__  # noqa: B009 - what its type does not tell
_SWITCH = "_set_grad_enabled"  # what no_grad and its kin call


class Bridge(TorchFunctionMode):
    """Let gradients through where they were cut, inside modules: at one line that detaches or turns gradients off."""

    def __init__(self, op: Op, place: Place | None) -> None:
        TorchFunctionMode.__init__(self)
        self._op, self._place = op, place

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if self._op.name in DETACHES and (func == _DATA or name in DETACHES) and here(2) == self._place:
            return args[0]
        if name == _SWITCH and not args[0] and here(2) == self._place:
            return func(True)
        return func(*args, **kwargs)


class _Switches(TorchFunctionMode):
    """Find the line that had turned gradients off when an operation was called."""

    def __init__(self, op: Op) -> None:
        TorchFunctionMode.__init__(self)
        self._op = op
        self._off: Place | None = None
        self.found: Place | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == _SWITCH:
            self._off = None if args[0] else here(2)
        elif name == self._op.name and self._off is not None and here(2) == self._op.place:
            self.found = self.found or self._off
        return func(*args, **(kwargs or {}))


def line_of(case: Case, look: Look, kind: str, op: Op) -> Place | None:
    """Return the line that cuts: of the operation itself, or the one that turned gradients off around it."""
    if kind != "no_grad":
        return op.place
    whole = next((step for step in look.program() if step.kind == "module" and _holds(look, step, op)), None)
    if whole is not None and not whole.grad:
        return whole.place
    if not op.depth or not can_play(look):
        return op.place
    switches = _Switches(op)
    with held(case), contextlib.suppress(CannotPlay), switches:
        loss_of(look, grad=True)
    return switches.found or op.place


def _holds(look: Look, whole: Op, part: Op) -> bool:
    """Return whether an operation was called within a module's: those are written down right before it."""
    places = [k for k, op in enumerate(look.ops) if op is whole or op is part]
    return len(places) == 2 and look.ops[places[1]] is whole and all(op.depth for op in look.ops[places[0] : places[1]])


def bridged(look: Look, op: Op) -> Look:
    """Return a look whose operations outside modules keep their gradient where the cut is."""
    other = copy.copy(look)
    other.ops = [_mended(step, op) for step in look.ops]
    other.plans = {}
    return other


def _mended(step: Op, cut: Op) -> Op:
    if step.depth:
        return step
    if cut.name in DETACHES:
        same = step.name in DETACHES and step.place == cut.place
        return dataclasses.replace(step, func=_as_it_is) if same else step
    return step if step.grad else dataclasses.replace(step, grad=True)


def _as_it_is(value: Any, *rest: Any) -> Any:
    """Stand in for an operation that is taken away."""
    return value
