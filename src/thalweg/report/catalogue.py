"""All that is written down about what a user can name, gathered for `thalweg list` and the tables of the documents.

Nothing is told twice: names come from the catalogues, sentences from core/words, numbers from the knobs, formulas and
sources from the docstrings.
"""

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from thalweg.core import Component, Knob, UnknownName, find, language, to_plain
from thalweg.core.words import catalogue as sentences
from thalweg.report.families import FAMILIES as FAMILIES
from thalweg.report.families import Family as Family

_FORMULA = re.compile(r"[\w'\[\],; ()^²]{1,60}? [=~] ")
_IN_A_SENTENCE = re.compile(r": ([\w|].* = .*?(?:\.\.\.)?)\.?$")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """Tell of one field of a member."""

    name: str
    required: bool
    default: Any
    """None where there is none."""
    kind: str
    """What it takes: int, float, bool, str, list, component or object."""
    knob: Knob | None
    choices: tuple[str, ...]
    family: str | None
    """Of the components that it holds."""

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        knob = dataclasses.asdict(self.knob) if self.knob else None
        default = to_plain(self.default) if isinstance(self.default, Component) else self.default
        names = ("name", "required", "kind", "choices", "family")
        return {**{name: getattr(self, name) for name in names}, "default": default, "knob": knob}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Tell everything of one member of a family."""

    family: str
    name: str
    member: Any
    sentence: str
    formula: tuple[str, ...]
    """Lines, in the letters of the code."""
    remarks: tuple[str, ...]
    """Paragraphs of the docstring, in English."""
    source: str
    fields: tuple[Field, ...]
    command: str | None
    """A command line that uses it; None where Python alone can."""
    python: str
    also: tuple[str, ...]
    """Further lines that take it, of either kind."""

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        names = ("family", "name", "sentence", "formula", "remarks", "source", "command", "python", "also")
        plain = {name: getattr(self, name) for name in names}
        return {**plain, "class": self.member.__name__, "fields": [field.to_plain() for field in self.fields]}


def find_family(name: str) -> Family:
    """Return the family called `name`; raise `UnknownName` with the nearest one."""
    if name not in FAMILIES:
        raise UnknownName("family", name, FAMILIES)
    return FAMILIES[name]


def sentence_of(family: Family, name: str, lang: str | None = None) -> str:
    """Return the sentence that says what a member is; its own first one while none is written."""
    told = sentences(lang or language(), family.words)
    if name in told:
        return told[name]
    return " ".join(_paragraphs(family.members()[name])[0].split())


def meaning_of(knob: Knob) -> str:
    """Return what a number means, in the language in use; in English while it has no sentence there."""
    return sentences(language(), "knobs").get(knob.meaning, knob.meaning)


def entry(family: str, name: str) -> Entry:
    """Gather all that is written down about a member. Raises `UnknownName`."""
    home = find_family(family)
    member = find(home.members(), name, family.removesuffix("s"))
    formula, remarks, source = _docstring(member)
    fields = tuple(fields_of(member))
    text = written(home, name, fields)
    return Entry(
        family=family, name=name, member=member, sentence=sentence_of(home, name), formula=formula, remarks=remarks,
        source=source, fields=fields, command=_command(home, text, fields),
        python=home.values.get(name) or _typed(home.python, text),
        also=tuple(_typed(template, text) for template in home.also if text),
    )  # fmt: skip


def written(family: Family, name: str, fields: Sequence[Field]) -> str:
    """Write a member as text, with its first number where it takes brackets, around another where it holds one."""
    if name in family.texts:
        return family.texts[name]
    number = _first_number(fields)
    text = name if number is None or family.setting else f"{name}({number.name}={show(number.default)})"
    return f"sgd+{text}" if any(field.required and field.family for field in fields) else text


def fields_of(member: Any) -> Iterator[Field]:
    """Yield the fields of a member, in order; an activation has none."""
    if not dataclasses.is_dataclass(member):
        return
    hints = typing.get_type_hints(member, include_extras=True)
    for field in dataclasses.fields(member):
        parts = list(_parts(hints[field.name]))
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        missing = default is dataclasses.MISSING
        family = next((name for part in parts if (name := _family_of(part)) is not None), None)
        yield Field(
            name=field.name,
            required=missing,
            default=None if missing else default,
            kind=next((kind for part in parts if (kind := _kind(part)) is not None), "object"),
            knob=next((part for part in parts if isinstance(part, Knob)), None),
            choices=tuple(map(str, typing.get_args(next((p for p in parts if _is_choice(p)), None)))),
            family="activations" if field.name == "activation" else family,  # a name, and no component
        )


def show(value: Any) -> Any:
    """Write a default as it is typed."""
    if value is None or isinstance(value, str):
        return "none" if value is None else value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Component):
        return value.name
    if isinstance(value, tuple):
        return f"[{', '.join(str(show(item)) for item in value)}]"
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _parts(hint: Any) -> Iterator[Any]:
    """Yield a hint, all that it is made of, and its knobs; not what is in a list."""
    yield hint
    if typing.get_origin(hint) not in (Literal, tuple):
        for part in (*typing.get_args(hint), *getattr(hint, "__metadata__", ())):
            yield from _parts(part)


def _is_choice(part: Any) -> bool:
    return typing.get_origin(part) is Literal


def _kind(part: Any) -> str | None:
    if typing.get_origin(part) is tuple:
        return "list"
    if isinstance(part, type) and issubclass(part, Component):
        return "component"
    return part.__name__ if part in (int, float, bool, str) else "str" if _is_choice(part) else None


def _family_of(part: Any) -> str | None:
    """Return the family whose base a hint is, alone or in a list."""
    base = typing.get_args(part)[0] if typing.get_origin(part) is tuple else part
    if not (isinstance(base, type) and issubclass(base, Component)):
        return None
    folder = base.__module__.rpartition(".")[0]
    return next((name for name, family in FAMILIES.items() if family.home.partition(":")[0] == folder), None)


def _first_number(fields: Sequence[Field]) -> Field | None:
    return next((field for field in fields if field.knob is not None and type(field.default) in (int, float)), None)


def _command(family: Family, text: str, fields: Sequence[Field]) -> str | None:
    number = _first_number(fields) if family.setting else None
    more = f" --set {family.setting}.{number.name}={show(number.default)}" if number else ""
    return _typed(family.command, text) + more if text else None


def _typed(template: str, text: str) -> str:
    """Return a line with the text in it, in quotation marks in Python and where a shell would read more into it."""
    if not template.startswith("thalweg"):
        return template.format(f'"{text}"')
    *words, last = template.split()
    last = last.format(text)
    return " ".join([*words, last if re.fullmatch(r"[\w.:/+=-]+", last) else f'"{last}"'])


def _paragraphs(member: Any) -> list[str]:
    return inspect.cleandoc(member.__doc__ or "").split("\n\n")


def _docstring(member: Any) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return the formula's lines, the remarks and the source of a member's docstring; nothing of what is not ours."""
    if not member.__module__.startswith("thalweg"):
        return (), (), ""
    first, *others = _paragraphs(member)
    formula, remarks, source = list(_IN_A_SENTENCE.findall(" ".join(first.split()))), [], ""
    for paragraph in others:
        if paragraph.startswith(">>>"):
            continue
        if _FORMULA.match(paragraph) and not paragraph.endswith("."):
            formula += paragraph.splitlines()
            continue
        said, _, cited = " ".join(paragraph.split()).partition("Source: ")
        source = source or cited
        if said.strip() and not said.startswith("Raises"):
            remarks.append(said.strip())
    return tuple(formula), tuple(remarks), source
