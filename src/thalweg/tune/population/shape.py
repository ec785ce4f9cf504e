"""Which runs can train as members of one population: those that differ in numbers alone."""

import dataclasses
from collections.abc import Hashable, Iterable
from typing import Any

from thalweg.core import Component
from thalweg.model import Model
from thalweg.regularisers import Penalty
from thalweg.rules import Rule
from thalweg.train.job import Job

_FREE = (
    "data",
    "split",
    "scaler",
    "seed",
    "init",
    "transfer",
    "schedule",
    "schedules",
    "stop",
    "max_seconds",
    "threads",
)
"""Fields of a recipe that each member may have its own of: they decide where it starts, its rates, its data."""


def shape_of(job: Job) -> Hashable:
    """Return what members of one population have in common; a number that may differ counts as "zero or not".

    A rule without momentum has no velocity to remember, a network with no dropout no mask: whether such a number is
    zero decides what is computed.
    """
    recipe = job.recipe
    fields = [field.name for field in dataclasses.fields(recipe) if field.name not in _FREE]
    return (
        tuple((name, _form(getattr(recipe, name))) for name in fields),
        tuple((name, tensor.shape) for name, tensor in job.state.trainable.items()),
        tuple(job.moves(0, 1)[0]), len(job.data.train), len(job.data.validation), job.task,
    )  # fmt: skip


def groups(jobs: Iterable[Job]) -> list[list[int]]:
    """Return the places of jobs that can train together, in the order in which their first one stands."""
    found: dict[Hashable, list[int]] = {}
    for place, job in enumerate(jobs):
        found.setdefault(shape_of(job), []).append(place)
    return list(found.values())


def _form(value: Any) -> Hashable:
    if isinstance(value, Component):
        free = _free(value)
        fields = [field.name for field in dataclasses.fields(value)]  # type: ignore[arg-type]
        own = ((name, getattr(value, name)) for name in fields)
        return type(value).__name__, tuple((name, bool(v) if name in free else _form(v)) for name, v in own)
    if isinstance(value, tuple | list):
        return tuple(map(_form, value))
    return value if isinstance(value, Hashable) else repr(value)


def _free(component: Component) -> tuple[str, ...]:
    if isinstance(component, Rule):
        return tuple(component.hyper())
    if isinstance(component, Penalty):
        return ("strength",)
    return ("dropout",) if isinstance(component, Model) else ()
