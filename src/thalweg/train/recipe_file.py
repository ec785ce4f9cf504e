"""A recipe as TOML: read with every key checked, written resolved."""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from torch import Tensor, nn

from thalweg.core import (
    Catalogue,
    Component,
    RunError,
    UnknownName,
    UsageError,
    from_plain,
    read_component,
    read_fields,
    to_plain,
)
from thalweg.data import SCALERS, SOURCES, Source, Split
from thalweg.init import INITS
from thalweg.model import LOSSES, MODELS, Built
from thalweg.regularisers import CONSTRAINTS
from thalweg.rules import RULES
from thalweg.schedules import SCHEDULES
from thalweg.train.recipe import Recipe
from thalweg.train.stopping import EarlyStopping
from thalweg.train.transfer import Transfer

SCHEMA = 1
FAMILIES: dict[str, Catalogue[Any]] = {
    "data": SOURCES,
    "split": {"split": Split},
    "scaler": SCALERS,
    "model": MODELS,
    "init": INITS,
    "transfer": {"transfer": Transfer},
    "loss": LOSSES,
    "rule": RULES,
    "schedule": SCHEDULES,
    "constraint": CONSTRAINTS,
    "stop": {"early": EarlyStopping},
}
"""The fields that hold one component, and what it may be; `schedules`, `penalties` and `augment` hold several."""
_NOTES = ("schema", "made_with")  # keys of the file that are not fields of the recipe


def recipe_to_plain(recipe: Recipe) -> dict[str, Any]:
    """Write a recipe as nested plain values: scalars first, then a table for each component."""
    scalars: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if isinstance(value, Built):
            tables[field.name] = {"kind": value.name}
        elif isinstance(value, Component):
            tables[field.name] = to_plain(value)
        elif isinstance(value, Mapping):
            tables |= {field.name: {name: to_plain(part) for name, part in value.items()}} if value else {}
        elif isinstance(value, tuple):
            parts = [to_plain(part) if isinstance(part, Component) else part for part in value]
            (tables if parts and isinstance(parts[0], dict) else scalars).update({field.name: parts} if parts else {})
        elif value is not None:
            scalars[field.name] = value
        elif field.name == "stop":
            scalars["stop"] = "none"
    return {**scalars, **tables}


def recipe_from_plain(plain: Mapping[str, Any]) -> Recipe:
    """Build the recipe that nested plain values describe. Raises `UnknownName` for a key that does not exist."""
    fields = [field.name for field in dataclasses.fields(Recipe)]
    given = {key: value for key, value in plain.items() if key not in _NOTES}
    for key in given:
        if key not in fields:
            raise UnknownName("key in the recipe", key, fields)
    if "data" not in given:
        raise UsageError('The recipe has no [data]; add one with kind = "digits", say.')
    components: dict[str, Any] = {}
    for key, catalogue in FAMILIES.items():
        if key in given:
            value = given.pop(key)
            left_out = value == "none" and "none" not in catalogue
            components[key] = None if left_out else _component(catalogue, value, key)
    return Recipe(**components, **read_fields(Recipe, given, "recipe"))


def _component(catalogue: Catalogue[Any], value: Any, key: str) -> Any:
    if isinstance(value, str) and key == "transfer":
        return Transfer(source=value)
    if isinstance(value, str):
        return Built(module=MadeInPython()) if value == Built.name else read_component(catalogue, value, key)
    if value == {"kind": Built.name}:
        return Built(module=MadeInPython())
    if not isinstance(value, Mapping):
        raise UsageError(f"{key} must be a table like [{key}], got {value!r}.")
    if "kind" not in value and len(catalogue) == 1:
        value = {"kind": next(iter(catalogue)), **value}
    return from_plain(catalogue, value, key)


class MadeInPython(nn.Module):
    """Stand for a network that was given as an object: a file cannot hold it, so it must be given again."""

    def forward(self, x: Tensor) -> Tensor:
        """Raise `UsageError`: there is nothing to compute with."""
        del x
        raise UsageError("The network of this run was made in Python; give it again: tw.resume(run, model=...).")


def write_recipe(recipe: Recipe, made_with: Mapping[str, str]) -> str:
    """Write a recipe as TOML, with what it was made with."""
    return tomli_w.dumps({"schema": SCHEMA, **recipe_to_plain(recipe), "made_with": dict(made_with)})


def read_toml(path: Path) -> dict[str, Any]:
    """Read a recipe file as plain values. Raises `RunError` if it is missing, no TOML, or of another schema."""
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise RunError(f"{path} is no recipe: {error}.") from None
    if plain.get("schema", SCHEMA) != SCHEMA:
        raise RunError(f"{path} has recipe schema {plain['schema']}, this version of thalweg reads {SCHEMA}.")
    return plain


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file; the paths in it may be relative to it. Raises `RunError` or `UsageError` naming the file."""
    plain = read_toml(path)
    try:
        recipe = recipe_from_plain(plain)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    transfer = recipe.transfer
    if transfer is not None and (path.parent / transfer.source).exists():
        transfer = dataclasses.replace(transfer, source=str(path.parent / transfer.source))
    return dataclasses.replace(recipe, data=found_from(recipe.data, path.parent), transfer=transfer)


def found_from(source: Source, folder: Path) -> Source:
    """Return the source with the paths that exist under `folder` pointing there."""
    return with_paths(source, lambda path: str(folder / path) if (folder / path).exists() else path)


def with_paths(source: Source, change: Callable[[str], str]) -> Source:
    """Return the source with its paths changed."""
    changes: dict[str, Any] = {}
    for field in type(source).content:
        value = getattr(source, field)
        if isinstance(value, str):
            changes[field] = change(value)
        elif isinstance(value, tuple) and all(isinstance(item, str) for item in value):
            changes[field] = tuple(change(item) for item in value)
    return dataclasses.replace(source, **changes) if changes else source  # type: ignore[type-var]
