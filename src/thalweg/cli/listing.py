"""`thalweg list`: every name there is, a family's members, or one member with all that is written down about it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, waiting, write_record
from thalweg.cli.pages import INDENT, columns, heading, pad, page_width
from thalweg.cli.verb import Verb, common
from thalweg.core import say
from thalweg.core.columns import width_of, wrap

if TYPE_CHECKING:
    from thalweg.report.catalogue import Entry, Field

_LEFT = 26  # columns, at most, for names and fields


@click.command(
    cls=Verb, words="list", examples=("thalweg list", "thalweg list schedules", "thalweg list rules adam --lang zh")
)
@click.argument("family", required=False, metavar="FAMILY")
@click.argument("member", required=False, metavar="NAME")
@common
def command(family: str | None, member: str | None, *, json_to: str | None, quiet: bool) -> int:
    with waiting(say("cli.starting"), quiet=quiet or json_to == "-"):
        if family is None:
            kind, record, page, names = _all()
        elif member is None:
            kind, record, page, names = _family(family)
        else:
            kind, record, page, names = _member(family, member)
    if json_to:
        write_record(kind, record, to=json_to)
    if json_to != "-":
        answer("\n".join(names) if quiet else page)
    return ending.DONE


_Told = tuple[str, dict[str, Any], str, Sequence[str]]
"""Kind and content of the record, the page, and what --quiet leaves of it."""


def _all() -> _Told:
    from thalweg.report.catalogue import FAMILIES

    told = {name: (len(family.members()), say(f"catalogue.family_{name}")) for name, family in FAMILIES.items()}
    widest = max(map(width_of, told))
    rows = [(f"{pad(name, widest)} {count:3}", sentence) for name, (count, sentence) in told.items()]
    blocks = [
        INDENT + heading(say("catalogue.title")),
        columns(rows, left=widest + 4),
        _dim(say("catalogue.more")),
    ]
    record = {"families": [{"name": name, "members": n, "sentence": said} for name, (n, said) in told.items()]}
    return "families", record, _page(blocks), list(told)


def _family(name: str) -> _Told:
    from thalweg.report.catalogue import find_family, sentence_of

    family = find_family(name)
    told = {member: sentence_of(family, member) for member in sorted(family.members())}
    left = min(max(map(width_of, told)), _LEFT)
    blocks = [
        INDENT + heading(name) + "  " + say(f"catalogue.family_{name}"),
        columns(told.items(), left=left),
        _dim(say("catalogue.more_family", family=name)),
    ]
    record = {"family": name, "members": [{"name": key, "sentence": said} for key, said in told.items()]}
    return "family", record, _page(blocks), list(told)


def _member(family: str, name: str) -> _Told:
    from thalweg.report.catalogue import entry

    found = entry(family, name)
    head = heading(found.name) + click.style(f"  {family}", dim=True)
    blocks = ["\n".join([INDENT + head, *_lines(found.sentence, INDENT)])]
    if found.formula:
        formula = [line for told in found.formula for line in _formula(told)]
        blocks.append(_block("formula", formula))
    blocks.append(_block("fields", [_fields(found)] if found.fields else _lines(say("catalogue.no_fields"))))
    if found.remarks:
        blocks.append(_block("remarks", [line for remark in found.remarks for line in _lines(remark)]))
    if found.source:
        blocks.append(_block("source", _lines(found.source)))
    blocks.append(_block("use", [INDENT * 2 + line for line in _uses(found)]))
    return "member", found.to_plain(), _page(blocks), _uses(found)


def _uses(found: "Entry") -> list[str]:
    """Return the lines that use a member, those of the command line first."""
    lines = [line for line in (found.command, found.python, *found.also) if line]
    return sorted(lines, key=lambda line: not line.startswith("thalweg"))


def _fields(found: "Entry") -> str:
    from thalweg.report.catalogue import show

    terms = [field.name if field.required else f"{field.name} = {show(field.default)}" for field in found.fields]
    left = min(max(map(width_of, terms)), _LEFT)
    rows: list[tuple[str, str]] = []
    for term, field in zip(terms, found.fields, strict=True):
        meaning, numbers = _meaning(field), _numbers(field)
        rows += [(term, meaning or numbers), *([("", numbers)] if meaning and numbers else [])]
    return columns(rows, left=left, indent=INDENT * 2)


def _meaning(field: "Field") -> str:
    """Say what a field is, or what it takes where its names do not say that."""
    from thalweg.report.catalogue import meaning_of

    parts = [say("catalogue.required")] if field.required else []
    if field.knob:
        parts.append(meaning_of(field.knob) + (f" [{field.knob.unit}]" if field.knob.unit else ""))
    elif field.family:
        parts.append(say("catalogue.held", family=field.family))
    elif not field.choices:
        parts.append(say(f"catalogue.kind_{field.kind}"))
    return say("catalogue.between").join(parts)


def _numbers(field: "Field") -> str:
    """Say what a field may be, and what of it is worth trying."""
    from thalweg.report.catalogue import show

    names = ", ".join(field.choices)
    knob = field.knob
    if knob is None:
        return names
    parts = [] if knob.law == "(-inf, inf)" else [say("catalogue.law", law=knob.law)]
    if knob.low is not None and knob.high is not None:
        key = "catalogue.useful_log" if knob.log else "catalogue.useful"
        parts.append(say(key, low=show(knob.low), high=show(knob.high)))
    return say("catalogue.between").join([*parts, *([say("catalogue.choices", names=names)] if names else [])])


def _formula(line: str) -> list[str]:
    """Break a line of a formula at its semicolons, then where it must; what follows stands further in."""
    room = page_width() - len(INDENT) * 2 - 2
    if width_of(line) <= room:
        return [INDENT * 2 + line]
    parts = line.split(";  ")
    pieces = [part + (";" if k < len(parts) - 1 else "") for k, part in enumerate(parts)]
    lines = []
    for piece in pieces:
        first, *rest = wrap(piece.strip(), room)
        lines += [INDENT * 2 + first, *(INDENT * 4 + more for more in rest)]
    return lines


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([INDENT + heading(say(f"catalogue.{title}")), *lines])


def _lines(text: str, indent: str = INDENT * 2) -> list[str]:
    return [indent + line for line in wrap(text, page_width() - len(indent) - 2)]


def _dim(text: str) -> str:
    return "\n".join(click.style(line, dim=True) for line in _lines(text, INDENT))


def _page(blocks: Sequence[str]) -> str:
    return "\n" + "\n\n".join(blocks) + "\n"
