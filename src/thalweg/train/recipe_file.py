"""A recipe as TOML: read with every key checked, written resolved."""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from thalweg.core import Catalogue, Component, RunError, UnknownName, UsageError, from_plain, read_fields, to_plain
from thalweg.data import SCALERS, SOURCES, Split
from thalweg.model import LOSSES, MODELS
from thalweg.rules import RULES
from thalweg.schedules import SCHEDULES
from thalweg.train.recipe import Recipe
from thalweg.train.stopping import EarlyStopping

SCHEMA = 1
FAMILIES: dict[str, Catalogue[Any]] = {
    "data": SOURCES,
    "split": {"split": Split},
    "scaler": SCALERS,
    "model": MODELS,
    "loss": LOSSES,
    "rule": RULES,
    "schedule": SCHEDULES,
    "stop": {"early": EarlyStopping},
}
_NOTES = ("schema", "made_with")  # keys of the file that are not fields of the recipe


def recipe_to_plain(recipe: Recipe) -> dict[str, Any]:
    """Write a recipe as nested plain values: scalars first, then a table for each component."""
    scalars: dict[str, Any] = {}
    tables: dict[str, Any] = {}
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if isinstance(value, Component):
            tables[field.name] = to_plain(value)
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
        raise UsageError("The recipe has no [data]; add one with kind = \"digits\", say.")
    components: dict[str, Any] = {}
    for key, catalogue in FAMILIES.items():
        if key in given:
            value = given.pop(key)
            components[key] = None if value == "none" else _component(catalogue, value, key)
    return Recipe(**components, **read_fields(Recipe, given, "recipe"))


def _component(catalogue: Catalogue[Any], value: Any, key: str) -> Any:
    if isinstance(value, str):
        value = {"kind": value}
    if not isinstance(value, Mapping):
        raise UsageError(f"{key} must be a table like [{key}], got {value!r}.")
    if "kind" not in value and len(catalogue) == 1:
        value = {"kind": next(iter(catalogue)), **value}
    return from_plain(catalogue, value, key)


def write_recipe(recipe: Recipe, made_with: dict[str, str]) -> str:
    """Write a recipe as TOML, with what it was made with."""
    return tomli_w.dumps({"schema": SCHEMA, **recipe_to_plain(recipe), "made_with": made_with})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file. Raises `RunError` naming the file if it is missing, no TOML, or of another schema."""
    try:
        plain = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path} does not exist.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise RunError(f"{path} is no recipe: {error}.") from None
    if plain.get("schema", SCHEMA) != SCHEMA:
        raise RunError(f"{path} has recipe schema {plain['schema']}, this version of thalweg reads {SCHEMA}.")
    try:
        return recipe_from_plain(plain)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
