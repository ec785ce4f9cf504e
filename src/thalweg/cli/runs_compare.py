"""`thalweg runs compare`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, write_record
from thalweg.cli.pages import INDENT, heading, pad, page_width
from thalweg.cli.tables import number, table
from thalweg.cli.verb import Verb, common, option
from thalweg.core import say
from thalweg.core.columns import width_of, wrap

if TYPE_CHECKING:
    from thalweg.runs.comparison import Comparison

_EXAMPLES = ("thalweg runs compare digits-1 digits-2", "thalweg runs compare a-1 a-2 a-3 b-1 b-2 b-3")


@click.command(cls=Verb, words="runs_compare", examples=_EXAMPLES)
@click.argument("runs", metavar="RUN RUN ...", nargs=-1)
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def command(runs: tuple[str, ...], where: str, *, json_to: str | None, quiet: bool) -> int:
    from thalweg.runs.comparison import compare_runs
    from thalweg.runs.store import find_run

    found = compare_runs([find_run(Path(where), run) for run in runs])
    if json_to:
        write_record("comparison", _plain(found), to=json_to)
    if json_to == "-":
        return ending.DONE
    if not quiet:
        answer(_tables(found) + "\n")
    for verdict in found.verdicts:
        answer("\n".join(INDENT + line for line in wrap(str(verdict), page_width() - 4)))
    return ending.DONE


def _tables(found: "Comparison") -> str:
    right = range(1, len(found.names) + 1)
    blocks = []
    if found.differences:
        rows = [[key, *map(_shown, values)] for key, values in found.differences.items()]
        short = table(["", *found.names], rows, right=right)
        fits = max(map(width_of, short.splitlines())) <= page_width()
        blocks.append(_titled("set_differently", short if fits else _one_below_the_other(found.names, rows)))
    else:
        blocks.append(f"{INDENT}{say('cli.set_alike')}")
    rows = [[f"{split} {metric}", *map(number, values)] for (split, metric), values in found.scores.items()]
    if rows:
        blocks.append(_titled("came_of_it", table(["", *found.names], rows, right=right)))
    return "\n" + "\n\n".join(blocks)


def _one_below_the_other(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Show each setting with a line for each run, where the values are too long to stand side by side."""
    left = max(map(width_of, names)) + 2
    lines = []
    for key, *values in rows:
        lines.append(f"{INDENT}{key}")
        for name, value in zip(names, values, strict=True):
            first, *rest = wrap(value.replace("+", " + "), page_width() - left - 6)  # a place to break
            lines.append(f"{INDENT * 2}{click.style(pad(name, left), dim=True)}{first}")
            lines += [f"{INDENT * 2}{' ' * left}{line}" for line in rest]
    return "\n".join(lines)


def _titled(key: str, body: str) -> str:
    return f"{INDENT}{heading(say(f'cli.{key}'))}\n{body}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _plain(found: "Comparison") -> dict[str, Any]:
    return {
        "runs": found.names,
        "differences": found.differences,
        "scores": [{"split": s, "metric": m, "values": values} for (s, m), values in found.scores.items()],
        "verdicts": [str(verdict) for verdict in found.verdicts],
    }
