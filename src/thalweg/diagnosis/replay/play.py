"""Runs what a look wrote down once more, with other weights, other inputs, or a hand on every value."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.diagnosis.watching import Look, Op, Ref
from thalweg.diagnosis.watching.recorder import CHANGING

Tap = Callable[[Op, int, Tensor], Tensor | None]  # (operation, number of the value, value) -> a value in its place


class CannotPlay(Exception):
    """Say that a look cannot be run again: part of it was not seen, or its data has been changed since."""


def play(
    look: Look, wanted: Sequence[int] | None = None, *, swap: Mapping[int, Tensor] | None = None,
    tap: Tap | None = None, grad: bool = True, data: bool = False,
) -> dict[int, Tensor]:  # fmt: skip
    """Return the values that a look comes to, by number: all that the wanted ones (the losses) depend on.

    Values that no parameter had a part in are taken as they were; with `data` they are made again as well. `swap` gives
    other values for some numbers; what made them is then not run. `tap` sees each value as it is made. Parameters are
    those of today. Raises `CannotPlay`.
    """
    wanted = look.losses() if wanted is None else wanted
    values: dict[int, Tensor] = dict(swap or {})
    plan = needed(look, wanted, values, data=data)
    grad = grad or any(op.func is torch.autograd.grad for op in plan)
    for op in plan:
        args = _filled(look, op.args, values, op)
        kwargs = _filled(look, op.kwargs, values, op)
        with torch.set_grad_enabled(grad and op.grad), _mode(op):
            try:
                result = op.func(*args, **kwargs)
            except Exception as error:
                raise CannotPlay(f"{op.name}: {error}") from error
        _bind(op, op.result, result, values)
        changed = kwargs.get("out", args[0] if args else None)
        if len(op.outputs) and op.outputs[-1] not in values and isinstance(changed, Tensor):
            values[op.outputs[-1]] = changed
        if tap is not None:
            for number in op.outputs:
                if number in values and (other := tap(op, number, values[number])) is not None:
                    values[number] = other
    for number in wanted:
        if number not in values:
            values[number] = _leaf(look, number, values)
    return values


def needed(look: Look, wanted: Iterable[int], known: Iterable[int] = (), *, data: bool = False) -> list[Op]:
    """Return the operations outside modules that the wanted values depend on, in order, short of those known."""
    key = (tuple(wanted), tuple(known), data)
    if key not in look.plans:
        given = set(key[1]) if data else set(key[1]) | (given_values(look) - made_of(look, key[1]))
        missing, found = set(key[0]) - given, []
        for op in reversed(look.program()):
            if missing.intersection(op.outputs):
                found.append(op)
                missing.update(n for n in op.inputs if n not in given and not is_weight(look, n))
        look.plans[key] = found[::-1]
    return look.plans[key]  # type: ignore[no-any-return]


def made_of(look: Look, numbers: Iterable[int]) -> set[int]:
    """Return the numbers of values outside modules that some values had a part in."""
    found = set(numbers)
    for op in look.program():
        if found.intersection(op.inputs):
            found.update(op.outputs)
    return found


def given_values(look: Look) -> set[int]:
    """Return the numbers of values that no parameter had a part in and that were kept as they were: data."""
    if "given" not in look.plans:
        learned = learned_values(look)
        look.plans["given"] = {number for number in look.tensors if number not in learned and _is_usable(look, number)}
    return look.plans["given"]  # type: ignore[no-any-return]


def learned_values(look: Look) -> set[int]:
    """Return the numbers of values outside modules that something learned, a parameter or its like, had a part in."""
    if "learned" not in look.plans:
        found = {k for k, value in enumerate(look.values) if value.maker is None and value.requires_grad}
        found |= {k for k in range(len(look.values)) if is_weight(look, k)}
        for op in look.program():
            holds = op.kind == "module" and next(op.func.parameters(), None) is not None
            if holds or found.intersection(op.inputs):
                found.update(op.outputs)
        look.plans["learned"] = found
    return look.plans["learned"]  # type: ignore[no-any-return]


def is_weight(look: Look, number: int) -> bool:
    """Return whether a value is a parameter's, or that of another tensor that is learned: today's is taken for it."""
    value = look.values[number]
    if value.parameter is not None:
        return True
    if not (value.requires_grad and value.is_leaf):
        return False
    op = look.maker(number)
    return op is None or (not op.grad and bool(op.inputs) and is_weight(look, op.inputs[0]))


def leaves(look: Look, wanted: Iterable[int] | None = None) -> list[int]:
    """Return the numbers of the data, not parameters, that the wanted values (the losses) are made of.

    They are what the network is fed and what its outputs are compared with, after all that the script did to them.
    """
    wanted = list(look.losses() if wanted is None else wanted)
    found: dict[int, None] = {}
    made: set[int] = set()
    for op in needed(look, wanted):
        for number in op.inputs:
            if number not in made and not is_weight(look, number):
                found[number] = None
        made.update(op.outputs)
    return list(found)


def can_play(look: Look) -> bool:
    """Return whether all that the losses depend on was seen and is as it was."""
    made = look.whole and all(look.values[number].maker is not None for number in look.losses())
    return made and bool(look.losses()) and all(_is_usable(look, number) for number in leaves(look))


def _is_usable(look: Look, number: int) -> bool:
    tensor, value = look.tensors.get(number), look.values[number]
    if tensor is None or (value.requires_grad and not value.is_leaf):
        return False
    return tensor.is_inference() or bool(tensor._version == look.versions.get(number, 0))


def _leaf(look: Look, number: int, values: dict[int, Tensor]) -> Tensor:
    value = look.values[number]
    if value.parameter is not None:
        return value.parameter
    tensor = look.tensors.get(number)
    if tensor is None:
        raise CannotPlay(f"value {number} was not kept")
    return tensor


def _filled(look: Look, said: Any, values: dict[int, Tensor], op: Op) -> Any:
    if isinstance(said, Ref):
        if said.number not in values:
            tensor = _leaf(look, said.number, values)
            changes = (op.name.endswith("_") and not op.name.endswith("__")) or op.name in CHANGING
            if changes and said.number == op.inputs[0] and not is_weight(look, said.number):
                tensor = tensor.clone()  # it is changed in place: the look's own stays as it is
            values[said.number] = tensor
        return values[said.number]
    if isinstance(said, list):
        return [_filled(look, part, values, op) for part in said]
    if isinstance(said, tuple):
        parts = [_filled(look, part, values, op) for part in said]
        return type(said)(*parts) if hasattr(said, "_fields") else tuple(parts)
    if isinstance(said, dict):
        return {key: _filled(look, part, values, op) for key, part in said.items()}
    return said


def _bind(op: Op, shown: Any, result: Any, values: dict[int, Tensor]) -> None:
    if isinstance(shown, Ref):
        if isinstance(result, Tensor):
            values[shown.number] = result
    elif isinstance(shown, list | tuple) and isinstance(result, list | tuple):
        for part, made in zip(shown, result, strict=False):
            _bind(op, part, made, values)
    elif isinstance(shown, dict) and isinstance(result, dict):
        for key, part in shown.items():
            if key in result:
                _bind(op, part, result[key], values)


@contextlib.contextmanager
def _mode(op: Op) -> Any:
    """Call a module in the mode in which it was called."""
    if op.kind != "module" or op.func.training == op.training:
        yield
        return
    before = [(module, module.training) for module in op.func.modules()]
    op.func.train(op.training)
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
