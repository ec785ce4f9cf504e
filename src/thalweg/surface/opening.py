"""From a text to a surface, and from a component back to the text that makes it."""

import dataclasses
import re
from typing import Any

from thalweg.core import Component, UnknownName, read_component
from thalweg.surface.base import Surface
from thalweg.surface.expression import CONSTANTS, VARIABLES
from thalweg.surface.formula import Formula

_NAME = re.compile(r"\s*([A-Za-z][\w-]*)\s*(\(.*)?$", re.S)
_WITH_FIELDS = re.compile(r"\(\s*([A-Za-z_]\w*\s*=.*)?\)\s*$", re.S)


def open_surface(what: Surface | str) -> Surface:
    """Return the surface that a text names or describes: "bowl", "ravine(condition=100)", or a formula of x and y.

    >>> open_surface("x^2 + 3y^2").name
    'formula'
    """
    if isinstance(what, Surface):
        return what
    from thalweg.surface import SURFACES

    match = _NAME.match(what)
    if match is None:
        return Formula(text=what)
    name, rest = match.groups()
    if name in SURFACES:
        return read_component(SURFACES, what.strip(), "surface")
    is_call = bool(rest and _WITH_FIELDS.match(rest))
    if is_call or (not rest and not _is_formula(name)):
        raise UnknownName("surface", name, SURFACES)
    return Formula(text=what)


def _is_formula(word: str) -> bool:
    """Tell whether a word such as "x", "x-y" or "xy" was meant as a formula and not as a name."""
    parts = word.split("-")
    return all(part in (*VARIABLES, *CONSTANTS) or set(part) <= set("xy0123456789") for part in parts)


def text_of(component: Component) -> str:
    """Return the text that makes a component, without the fields that are as they are by default.

    One that holds another stands behind it: "sgd+clip-norm".

    >>> from thalweg.rules import Adam
    >>> text_of(Adam(lr=0.1))
    'adam(lr=0.1)'
    """
    said, held = [], []
    for field in dataclasses.fields(component):  # type: ignore[arg-type]  # every final member is a dataclass
        value = getattr(component, field.name)
        if isinstance(value, Component) and field.default is dataclasses.MISSING:
            held.append(value)
        elif value != field.default:
            said.append(f"{field.name}={_written(value)}")
    text = f"{component.name}({', '.join(said)})" if said else component.name
    return "+".join([*map(text_of, held), text])


def _written(value: Any) -> str:
    if isinstance(value, Component):
        return text_of(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
