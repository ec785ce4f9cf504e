"""Help pages: columns and wrapping that know how wide a Chinese character is."""

import shutil
from collections.abc import Iterable

import click

from thalweg.core.columns import width_of, wrap

INDENT = "  "


def pad(text: str, width: int) -> str:
    """Fill a text with spaces up to a width in columns."""
    return text + " " * max(width - width_of(text), 0)


def cut(text: str, width: int) -> str:
    """Shorten a text to a width in columns; what was left out is an ellipsis."""
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def page_width() -> int:
    """Return the width of a page: that of the terminal, at most 100 columns."""
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, 100))


def columns(rows: Iterable[tuple[str, str]], *, left: int, indent: str = INDENT) -> str:
    """Lay out (term, explanation) pairs; an explanation stands beside its term, or below a long one."""
    room = page_width() - len(indent) - left - 2
    out: list[str] = []
    for term, explanation in rows:
        first, *rest = wrap(explanation, room)
        shown = click.style(term, fg="cyan") + " " * max(left - width_of(term), 0)
        if width_of(term) > left:
            out.append(f"{indent}{shown}")
            rest = [first, *rest]
        else:
            out.append(f"{indent}{shown}  {first}".rstrip())
        out += [f"{indent}{' ' * left}  {line}" for line in rest]
    return "\n".join(out)


def heading(text: str) -> str:
    return click.style(text, bold=True)
