"""Fields of frozen components as parameters of an estimator: `rule__lr`, `model__dropout`."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from thalweg.core import Component, law, read_fields
from thalweg.schedules import WarmupCosine
from thalweg.train import EarlyStopping, default_rule

_DEFAULTS: dict[str, Callable[[], Component]] = {
    "rule": default_rule,
    "schedule": WarmupCosine,
    "stop": EarlyStopping,
}
"""What a parameter that holds no component starts from when one of its fields is set."""


def inner_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of every component among the parameters, by their long names."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Component):
            fields = dataclasses.fields(value)  # type: ignore[arg-type]  # every final member is a dataclass
            found |= {f"{name}__{field.name}": getattr(value, field.name) for field in fields}
    return found


def take_apart(params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Part plain names from long ones; return the long ones by the parameter whose field they name."""
    own: dict[str, Any] = {}
    inner: dict[str, dict[str, Any]] = {}
    for name, value in params.items():
        head, _, field = name.partition("__")
        if field:
            inner.setdefault(head, {})[field] = plain_number(value)
        else:
            own[name] = value
    return own, inner


def changed(parameter: str, value: Any, fields: Mapping[str, Any]) -> Any:
    """Return the component with fields replaced; the given one, which others may share, stays as it is.

    Raises `UnknownName` for a field that it does not have, `UsageError` where there is no component.
    """
    component = value if isinstance(value, Component) else _DEFAULTS.get(parameter, lambda: None)()
    if component is None:
        name = f"{parameter}__{next(iter(fields))}"
        cure = f"Set {parameter}=... first."
        raise law(f"set_params({name}=...)", f"needs a component in `{parameter}`", value, cure)
    return dataclasses.replace(component, **read_fields(type(component), fields, parameter))  # type: ignore[type-var]


def plain_number(value: Any) -> Any:
    """Return numpy's numbers, which searches draw, as Python's."""
    return value.item() if isinstance(value, np.generic) else value
