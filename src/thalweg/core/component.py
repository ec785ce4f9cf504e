"""Components: final, frozen, keyword-only values with a name, and the catalogues that list them.

A family has an abstract base here or in its own `base.py`; its `__init__` imports each member by a visible line, and
`members(Base, vars())` turns those lines into the catalogue. Nothing registers itself.
"""

import collections.abc
import dataclasses
import importlib
import inspect
import types
import typing
from abc import ABC
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from thalweg.core.errors import UnknownName, UsageError, law
from thalweg.core.grammar import read_list, read_text
from thalweg.core.knobs import check_knobs


class Component(ABC):
    """Be a named, frozen value; a subclass is a final keyword-only dataclass whose numeric fields carry knobs.

    A field may hold another component, or a tuple of them: its hint names that family's base, and a kind's name, a text
    like "adam(lr=0.1)" or a plain dict given for it becomes the component.
    """

    __slots__ = ()
    name: ClassVar[str]

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for field, hint in hints.items():
            if _family(hint) is not None:
                where = f"{type(self).__name__}({field}=...)"
                object.__setattr__(self, field, coerce(hint, getattr(self, field), where))
        check_knobs(self)
        for field, hint in hints.items():
            if typing.get_origin(hint) is typing.Literal:
                coerce(hint, getattr(self, field), f"{type(self).__name__}({field}=...)")
        self.check()

    @classmethod
    def catalogue(cls) -> "Mapping[str, type[Component]]":
        """Return the members of the family whose base this is: what the folder of the base imports."""
        return members(cls, vars(importlib.import_module(cls.__module__.rpartition(".")[0])))

    def check(self) -> None:  # noqa: B027 - a member without further laws leaves it as it is
        """Raise `UsageError` where fields contradict each other; laws of single numbers stand in their knobs."""


C = TypeVar("C", bound=Component)
_WORDS: dict[Any, str] = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
Catalogue = Mapping[str, type[C]]


def members(base: type[C], namespace: Mapping[str, object]) -> dict[str, type[C]]:
    """Collect the final members of a family from the names that its `__init__` imported."""
    found: dict[str, type[C]] = {}
    for value in namespace.values():
        if isinstance(value, type) and issubclass(value, base) and value is not base:
            if inspect.isabstract(value):
                continue
            if found.setdefault(value.name, value) is not value:
                raise TypeError(f"two members of {base.__name__} are called {value.name!r}")
    return found


def find(catalogue: Catalogue[C], name: str, what: str) -> type[C]:
    """Return the member called `name`, or raise `UnknownName` with the nearest one."""
    try:
        return catalogue[name]
    except KeyError:
        raise UnknownName(what, name, catalogue) from None


def to_plain(component: Component) -> dict[str, Any]:
    """Write a component as a plain dict: its name under `kind`, then every field; a field that is None by default and
    stays so is left out, one that was set to None is "none".
    """
    plain: dict[str, Any] = {"kind": component.name}
    for field in dataclasses.fields(component):  # type: ignore[arg-type]  # every final member is a dataclass
        value = getattr(component, field.name)
        if value is not None:
            plain[field.name] = _plain_value(value)
        elif field.default is not None and not _is_required(field):
            plain[field.name] = "none"
    return plain


def _plain_value(value: Any) -> Any:
    if isinstance(value, Component):
        return to_plain(value)
    return [_plain_value(item) for item in value] if isinstance(value, tuple) else value


def to_text(component: Component) -> str:
    """Write a component as the text that `read_component` reads, without what is as by default.

    Texts and paths with brackets, commas or spaces in them are written as they are, and cannot be read again.
    """
    shown, held = [], ""
    for field in dataclasses.fields(component):  # type: ignore[arg-type]  # every final member is a dataclass
        value = getattr(component, field.name)
        if field.name in _held(type(component)) and isinstance(value, Component):
            held = f"{to_text(value)}+"
        elif value != field.default:
            shown.append(f"{field.name}={_text_value(value)}")
    fields = f"({', '.join(shown)})" if shown else ""
    return f"{held}{component.name}{fields}"


def _text_value(value: Any) -> str:
    if isinstance(value, Component):
        return to_text(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_text_value(item) for item in value)}]"
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def from_plain(catalogue: Catalogue[C], plain: Mapping[str, Any], what: str) -> C:
    """Build the component that a plain dict describes.

    Raises `UnknownName` for a name or key that does not exist, `UsageError` for a value that is missing or of the
    wrong type.
    """
    if "kind" not in plain:
        raise UsageError(f"[{what}] names no kind; add kind = one of {', '.join(sorted(catalogue))}.")
    member = find(catalogue, str(plain["kind"]), what)
    given = read_fields(member, {k: v for k, v in plain.items() if k != "kind"}, what)
    missing = [field.name for field in dataclasses.fields(member) if field.name not in given and _is_required(field)]  # type: ignore[arg-type]
    if missing:
        cure = f" Write it around another: NAME+{member.name}." if set(missing) & set(_held(member)) else ""
        raise UsageError(f"[{what}] of kind {member.name!r} needs {', '.join(missing)}.{cure}")
    return member(**given)


def read_component(catalogue: Catalogue[C], text: str, what: str) -> C:
    """Build the component that a text describes: "adam", "adam(lr=0.1)", "sequence(parts=[warmup, cosine])".

    "adam+clip-norm(max_norm=1)" is a component around another: the later holds the earlier in its field for one.
    Raises `UsageError` for a text that cannot be read, and as `from_plain` does.
    """
    first, *around = read_text(text, what)
    plain = first
    for outer in around:
        member = find(catalogue, outer["kind"], what)
        held = _held(member)
        if len(held) != 1:
            able = sorted(name for name, kind in catalogue.items() if len(_held(kind)) == 1)
            cure = f"Those that can: {', '.join(able)}." if able else "Leave the + out."
            raise law(f"{what} {text}", f"puts {outer['kind']!r} around another, which it cannot be", text, cure)
        plain = {**outer, held[0]: plain}
    return from_plain(catalogue, plain, what)


def _held(member: type[Component]) -> list[str]:
    """Return the fields in which a component holds one other of its own family."""
    hints = typing.get_type_hints(member)
    bases = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, Component)}
    return [name for name, base in bases.items() if issubclass(member, base)]


def _family(hint: Any) -> type[Component] | None:
    """Return the base of the family that a field's hint lets in, alone, in a tuple or beside None."""
    if isinstance(hint, type) and issubclass(hint, Component):
        return hint
    if typing.get_origin(hint) in (tuple, typing.Union, types.UnionType):
        return next((base for inner in typing.get_args(hint) if (base := _family(inner)) is not None), None)
    return None


def with_field(component: C, path: str, value: Any) -> C:
    """Return the component with a field changed; "norm.num_groups" is a field of the component in its field.

    A field that the component does not have is looked for in what it holds. Raises `UnknownName` if nobody has it.
    """
    head, _, tail = path.partition(".")
    names = [field.name for field in dataclasses.fields(component)]  # type: ignore[arg-type]
    held = getattr(component, head) if head in names else None
    if head in names and (not tail or isinstance(held, Component)):
        new = with_field(held, tail, value) if isinstance(held, Component) and tail else value
        return dataclasses.replace(component, **{head: new})  # type: ignore[type-var]
    for name in names:
        held = getattr(component, name)
        if isinstance(held, Component) and owner_of(held, head) is not None:
            return dataclasses.replace(component, **{name: with_field(held, path, value)})  # type: ignore[type-var]
    raise UnknownName(f"field of {component.name}", path, names)


def owner_of(component: Component, path: str) -> Component | None:
    """Return the component, itself or held by it, whose field a path like `with_field`'s names; None if nobody's."""
    head, _, tail = path.partition(".")
    names = [field.name for field in dataclasses.fields(component)]  # type: ignore[arg-type]
    if head in names:
        held = getattr(component, head)
        return component if not tail else owner_of(held, tail) if isinstance(held, Component) else None
    inside = [getattr(component, name) for name in names]
    return next((owner for held in inside if isinstance(held, Component) and (owner := owner_of(held, path))), None)


def read_fields(owner: type, plain: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Turn plain values into the types of the owner's fields; refuse keys that it does not have."""
    hints = typing.get_type_hints(owner)
    names = [field.name for field in dataclasses.fields(owner)]
    for key in plain:
        if key not in names:
            raise UnknownName(f"key in [{what}]", key, names)
    return {key: coerce(hints[key], value, f"{what}.{key}") for key, value in plain.items()}


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def coerce(hint: Any, value: Any, where: str) -> Any:
    """Turn a value read from TOML or the command line into the type that a field declares, or raise `UsageError`."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return coerce(typing.get_args(hint)[0], value, where)
    if origin in (typing.Union, types.UnionType):
        return _coerce_union(hint, value, where)
    if origin is tuple:
        return _coerce_tuple(hint, value, where)
    if origin is collections.abc.Mapping:
        return _coerce_table(hint, value, where)
    if origin is typing.Literal:
        if value in typing.get_args(hint):
            return value
        raise UnknownName(f"value of {where}", value, map(str, typing.get_args(hint)))
    if isinstance(hint, type) and issubclass(hint, Component):
        return _coerce_component(hint, value, where)
    return value if hint is Any else _coerce_scalar(hint, value, where)


def _coerce_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, typing.get_origin(hint) or hint) and not (hint is int and isinstance(value, bool)):
        return value
    if isinstance(value, str) and hint in (int, float, bool):
        return _read_number(hint, value, where)
    raise law(where, f"must be {_WORDS.get(hint) or getattr(hint, '__name__', hint)}", value)


def _coerce_table(hint: Any, value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise law(where, "must be a table of names and values", value)
    return {str(key): coerce(typing.get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}


def _coerce_component(base: type[Component], value: Any, where: str) -> Component:
    if isinstance(value, base):
        return value
    if isinstance(value, str):
        return read_component(base.catalogue(), value, where)
    if isinstance(value, Mapping):
        return from_plain(base.catalogue(), value, where)
    raise law(where, f"must be a {base.__name__} or the name of one", value)


def _coerce_union(hint: Any, value: Any, where: str) -> Any:
    choices = typing.get_args(hint)
    if type(None) in choices and (value is None or (value == "none" and not _may_be_called_none(hint))):
        return None
    problem: UsageError | None = None
    for choice in choices:
        if choice is not type(None):
            try:
                return coerce(choice, value, where)
            except UsageError as error:
                problem = problem or error
    raise problem or law(where, "must be set", value)


def _may_be_called_none(hint: Any) -> bool:
    """Return whether the word is a value of its own: a text, or a component of that name."""
    family = _family(hint)
    return str in typing.get_args(hint) or (family is not None and "none" in family.catalogue())


def _coerce_tuple(hint: Any, value: Any, where: str) -> Any:
    if isinstance(value, str) and value.strip()[:1] == "[":
        value = read_list(value, where)
    elif isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, int | float | Component) or (isinstance(value, Mapping) and _family(hint) is not None):
        value = [value]
    if not isinstance(value, list | tuple):
        raise law(where, "must be a list", value)
    inner = typing.get_args(hint)
    if inner[-1] is Ellipsis:
        return tuple(coerce(inner[0], item, where) for item in value)
    if len(inner) != len(value):
        raise law(where, f"must have {len(inner)} entries", value)
    return tuple(coerce(kind, item, where) for kind, item in zip(inner, value, strict=True))


def _read_number(hint: type, value: str, where: str) -> Any:
    if hint is bool:
        words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
        if value.lower() in words:
            return words[value.lower()]
        raise law(where, "must be true or false", value)
    try:
        return hint(value)
    except ValueError:
        raise law(where, "must be a whole number" if hint is int else "must be a number", value) from None
