"""Tables on a terminal: columns as wide as their content, one column that gives way, numbers to the right."""

from collections.abc import Sequence

import click

from thalweg.cli.pages import INDENT, cut, pad, page_width
from thalweg.core.columns import width_of

_GAP = "  "


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[int] = (),
    gives_way: int | None = None,
) -> str:
    """Lay out rows of cells under a head, columns in `right` to the right; `gives_way` may shrink."""
    widths = [max(width_of(row[k]) for row in (head, *rows)) for k in range(len(head))]
    if gives_way is not None:
        spare = page_width() - len(INDENT) - sum(widths) - len(_GAP) * (len(widths) - 1)
        widths[gives_way] = max(min(widths[gives_way], widths[gives_way] + spare), 6)
    lines = [_line(row, widths, right=right) for row in (head, *rows)]
    return "\n".join([click.style(lines[0], dim=True), *lines[1:]])


def _line(row: Sequence[str], widths: Sequence[int], *, right: Sequence[int]) -> str:
    cells = []
    for k, (cell, width) in enumerate(zip(row, widths, strict=True)):
        shown = cut(cell, width)
        cells.append(" " * (width - width_of(shown)) + shown if k in right else pad(shown, width))
    return (INDENT + _GAP.join(cells)).rstrip()


def number(value: float | None) -> str:
    """Write a score: four decimals where that says enough, else four digits; "-" where there is none."""
    if value is None or value != value:
        return "-"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 10 or value == 0 else f"{value:.4g}"
