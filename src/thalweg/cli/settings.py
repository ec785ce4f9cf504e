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

_CHOOSE = {
    "model": "--model mlp", "model.norm": "--norm layer", "loss": "--loss mse", "scaler": "--scaler standardise",
    "init": "--init he", "transfer": "--from RUN", "schedule": "--schedule cosine",
}  # fmt: skip
_MAY_BE_NONE = ("stop", "model", "loss", "init", "transfer", "constraint")


def read_settings(given: Sequence[str]) -> list[tuple[str, str]]:
    """Split `PATH=VALUE` texts. Raises `UsageError` where there is no "="."""
    for text in given:
        if "=" not in text.lstrip("="):
            raise UsageError(f"`--set` must read PATH=VALUE, got {text!r}; for example --set rule.lr=0.01.")
    return [(path.strip(), value.strip()) for path, _, value in (text.partition("=") for text in given)]


def change(recipe: Recipe, settings: Iterable[tuple[str, str]]) -> Recipe:
    """Return the recipe with settings applied: kinds of components first, then their fields, in order.

    They need fit together in the end only. Raises `UnknownName` for a path that does not exist, `UsageError` for a
    value that its field does not take.
    """
    changed: dict[str, Any] = {}
    for path, value in sorted(settings, key=lambda setting: "." in setting[0]):
        head, _, tail = path.partition(".")
        if head not in _fields(Recipe) or (tail and head not in (*FAMILIES, "schedules")):
            raise UnknownName("setting", path, paths(recipe))
        part = changed.get(head, getattr(recipe, head))
        if tail and head == "schedules":
            changed[head] = {**part, tail: read_component(SCHEDULES, value, path)}
        elif tail:
            changed[head] = _with_field(part, path, value=value)
        elif head in FAMILIES:
            changed[head] = _component(part, head, value=value)
        else:
            changed[head] = coerce(_hints(Recipe)[head], value, head)
    return dataclasses.replace(recipe, **changed)


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


def _with_field(part: Any, path: str, *, value: str) -> Any:
    head, _, tail = path.partition(".")
    if part is None:
        raise _not_chosen(head, path)
    owner = owner_of(part, tail)
    if owner is None:
        above, _, last = tail.rpartition(".")[0].rpartition(".")
        holder = owner_of(part, f"{above}.{last}".lstrip(".")) if last else None
        if holder is not None and getattr(holder, last) is None:
            raise _not_chosen(path.rpartition(".")[0], path)
        raise _unknown_field(head, tail, chosen=part.name)
    hint = _hints(type(owner))[tail.rpartition(".")[2]]
    return with_field(part, tail, coerce(hint, value, f"{head}.{tail}"))


def _not_chosen(part: str, path: str) -> UsageError:
    cure = f"choose it first: {_CHOOSE.get(part, f'--set {part}=...')}, for example"
    return UsageError(f"`{path}` belongs to `{part}`, which is not chosen yet; {cure}.")


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


def _component(part: Any, head: str, *, value: str) -> Any:
    catalogue = FAMILIES[head]
    if value == "none" and "none" not in catalogue and head in _MAY_BE_NONE:
        return None
    if head == "model" and ":" in value:
        return from_plain(catalogue, {"kind": "module", "factory": value}, head)
    if part is not None and part.name == value:
        return part  # naming the kind that it has keeps its fields
    if head == "data":
        raise UsageError(f"`data` cannot be set, got {value!r}; name the source itself: thalweg train {value}.")
    if head == "transfer":
        return Transfer(source=value)
    return read_component(catalogue, value, head)


def _hints(owner: type) -> dict[str, Any]:
    return typing.get_type_hints(owner)
