"""Which parameters take part in a step, which of them the gradient reaches, and who holds them."""

from collections.abc import Iterable

import torch
from torch import Tensor

from thalweg.diagnosis.watching import Case, Course, Look


def steps_of(case: Case, course: Course) -> list[Look]:
    """Return the looks in which a course's optimizer took a step."""
    return [look for look in case.looks if any(op.optimizer is course.optimizer for op in look.events("step"))]


def held_by(course: Course) -> list[Tensor]:
    """Return the tensors of a course's optimizer."""
    if course.optimizer is None:
        return []
    return [p for group in course.optimizer.param_groups for p in group["params"]]


def in_any_optimizer(case: Case) -> set[int]:
    """Return the ids of all tensors that an optimizer holds, also of one that never took a step."""
    made = [note.data for note in case.notes if note.kind == "optimizer"]
    known = [course.optimizer for course in case.courses] + made
    groups = [
        group for optimizer in known if isinstance(optimizer, torch.optim.Optimizer) for group in optimizer.param_groups
    ]
    return {id(p) for group in groups for p in group["params"]}


def in_any_root(case: Case) -> set[int]:
    return {id(p) for root in case.roots for p in root.module.parameters()}


def leaf(look: Look, number: int) -> Tensor | None:
    """Return the tensor itself, where a number is a parameter or another leaf that was kept."""
    number = look.inner(number)
    value = look.values[number]
    return value.parameter if value.parameter is not None else look.tensors.get(number)


def reached(look: Look) -> dict[int, Tensor]:
    """Return the leaves at which the gradient of the losses arrives, by id: parameters and others that ask for one."""
    key = "reached leaves"
    if key not in look.plans:
        waiting = [look.inner(number) for number in look.losses()]
        seen, found = set[int](), dict[int, Tensor]()
        while waiting:
            number = waiting.pop()
            value = look.values[number]
            if number in seen or not value.requires_grad:
                continue
            seen.add(number)
            if value.maker is None:
                if value.is_leaf and (tensor := leaf(look, number)) is not None:
                    found[id(tensor)] = tensor
                continue
            waiting += [look.inner(n) for n in look.ops[value.maker].inputs]
        look.plans[key] = found
    return look.plans[key]  # type: ignore[no-any-return]


def users(look: Look) -> dict[int, list[int]]:
    """Return which functions take a value, as places in `look.ops`, by the value's number inside its module."""
    key = "users"
    if key not in look.plans:
        found: dict[int, list[int]] = {}
        for place, op in enumerate(look.ops):
            if op.kind == "function":
                for number in dict.fromkeys(look.inner(n) for n in op.inputs):
                    found.setdefault(number, []).append(place)
        look.plans[key] = found
    return look.plans[key]  # type: ignore[no-any-return]


def used(look: Look) -> dict[int, int]:
    """Return the parameters that a function took: id to the number under which it did."""
    numbers = users(look)
    return {id(p): number for number in numbers if (p := look.values[number].parameter) is not None}


def moved(case: Case, tensors: Iterable[Tensor]) -> set[int]:
    """Return the ids of tensors that are not known to be as they were before the first step."""
    start = {id(tensor): copy for tensor, copy in case.start}
    return {
        id(t)
        for t in tensors
        if (copy := start.get(id(t))) is None or copy.shape != t.shape or not torch.equal(copy, t.detach())
    }


def owner_of(case: Case, tensor: Tensor) -> str | None:
    """Return the path of the module that holds a parameter."""
    return next((path for path, m in case.modules() if any(p is tensor for p in m.parameters(recurse=False))), None)


def names_of(case: Case, tensors: Iterable[Tensor]) -> list[str]:
    return [case.names.get(id(t), f"{tuple(t.shape)}") for t in tensors]
