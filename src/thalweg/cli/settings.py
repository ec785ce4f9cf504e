"""Settings: `PATH=VALUE` for any field of a recipe or of its components, typed by the field it is for."""

import dataclasses
import typing
from collections.abc import Iterable, Sequence
from typing import Any

from thalweg.core import (
    Component,
    UnknownName,
    UsageError,
    coerce,
    from_plain,
    owner_of,
    read_component,
    with_field,
)
from thalweg.schedules import SCHEDULES
from thalweg.train import FAMILIES, Recipe, Transfer

_CHOOSE = {"model": "--model mlp", "loss": "--loss mse", "scaler": "--scaler standardise", "init": "--init he"}
_MAY_BE_NONE = ("stop", "model", "loss", "init", "transfer", "constraint")


def read_settings(given: Sequence[str]) -> list[tuple[str, str]]:
    """Split `PATH=VALUE` texts. Raises `UsageError` where there is no "="."""
    for text in given:
        if "=" not in text.lstrip("="):
            raise UsageError(f"`--set` must read PATH=VALUE, got {text!r}; for example --set rule.lr=0.01.")
    return [(path.strip(), value.strip()) for path, _, value in (text.partition("=") for text in given)]


def change(recipe: Recipe, settings: Iterable[tuple[str, str]]) -> Recipe:
    """Return the recipe with settings applied: kinds of components first, then their fields, in order.

    Raises `UnknownName` for a path that does not exist, `UsageError` for a value that its field does not
    take.
    """
    for path, value in sorted(settings, key=lambda setting: "." in setting[0]):
        head, _, tail = path.partition(".")
        if head not in _fields(Recipe):
            raise UnknownName("setting", path, paths(recipe))
        new: Any
        if tail and head == "schedules":
            new = {**recipe.schedules, tail: read_component(SCHEDULES, value, path)}
        elif tail:
            new = _with_field(recipe, path, value=value)
        elif head in FAMILIES:
            new = _component(recipe, head, value=value)
        else:
            new = coerce(_hints(Recipe)[head], value, head)
        recipe = dataclasses.replace(recipe, **{head: new})
    return recipe


def paths(recipe: Recipe) -> list[str]:
    """List the settings that a recipe has: its fields and those of its components."""
    found = []
    for field in dataclasses.fields(recipe):
        part = getattr(recipe, field.name)
        found.append(field.name)
        if isinstance(part, Component):
            found += [f"{field.name}.{inner}" for inner in _fields_below(part)]
    return found


def _fields_below(component: Component) -> list[str]:
    """List the fields of a component and of those that it holds; a rule's are all its own."""
    found = []
    for name in _fields(type(component)):
        held = getattr(component, name)
        found.append(name)
        if isinstance(held, Component):
            found += _fields_below(held) if name == "rule" else [f"{name}.{inner}" for inner in _fields_below(held)]
    return found


def _with_field(recipe: Recipe, path: str, *, value: str) -> Any:
    head, _, tail = path.partition(".")
    part = getattr(recipe, head)
    if head not in FAMILIES:
        raise UnknownName("setting", f"{head}.{tail}", paths(recipe))
    if part is None:
        cure = f"choose one first: {_CHOOSE.get(head, f'--set {head}=...')}, for example"
        raise UsageError(f"`{head}.{tail}` belongs to a {head} that is not chosen yet; {cure}.")
    owner = owner_of(part, tail)
    if owner is None:
        raise _unknown_field(head, tail, chosen=part.name)
    hint = _hints(type(owner))[tail.rpartition(".")[2]]
    return with_field(part, tail, coerce(hint, value, f"{head}.{tail}"))


def _unknown_field(head: str, tail: str, *, chosen: str) -> UsageError:
    """Say that a component has no such field: which of its family have it, or what was probably meant."""
    having = [name for name, member in FAMILIES[head].items() if tail in _fields(member)]
    if having:
        others = f"{', '.join(having)} {'has' if len(having) == 1 else 'have'} it"
        cure = "" if head == "data" else f": --set {head}={having[0]}"  # what data are is decided by the source
        return UsageError(f"`{head}.{tail}` is no field of {chosen}; {others}{cure}.")
    known = {f"{head}.{field}" for member in FAMILIES[head].values() for field in _fields(member)}
    return UnknownName("setting", f"{head}.{tail}", known)


def _fields(owner: type) -> list[str]:
    return [field.name for field in dataclasses.fields(owner)]


def _component(recipe: Recipe, head: str, *, value: str) -> Any:
    catalogue = FAMILIES[head]
    if value == "none" and "none" not in catalogue and head in _MAY_BE_NONE:
        return None
    if head == "model" and ":" in value:
        return from_plain(catalogue, {"kind": "module", "factory": value}, head)
    part = getattr(recipe, head)
    if part is not None and part.name == value:
        return part  # naming the kind that it has keeps its fields
    if head == "data":
        raise UsageError(f"`data` cannot be set, got {value!r}; name the source itself: thalweg train {value}.")
    if head == "transfer":
        return Transfer(source=value)
    return read_component(catalogue, value, head)


def _hints(owner: type) -> dict[str, Any]:
    return typing.get_type_hints(owner)
