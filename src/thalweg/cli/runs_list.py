"""`thalweg runs ls`."""

import dataclasses
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, write_record
from thalweg.cli.pages import INDENT
from thalweg.cli.tables import number, table
from thalweg.cli.verb import Verb, common, option
from thalweg.core import say

if TYPE_CHECKING:
    from thalweg.runs.store import Summary

_COLUMNS = ("name", "source", "model", "rule", "outcome", "metric", "validation", "test", "seconds", "age")
_RIGHT = (6, 7, 8, 9)
_MODEL = 2


@click.command(cls=Verb, words="runs_ls", examples=("thalweg runs ls --sort test", "thalweg runs ls --limit 5"))
@option("--sort", "by", metavar="COLUMN", default="age", section="choice", help="sort")
@option("--limit", metavar="N", type=click.IntRange(min=1), section="choice")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def command(by: str, limit: int | None, *, where: str, json_to: str | None, quiet: bool) -> int:
    from thalweg.runs.store import list_runs, sort_runs

    runs = list_runs(Path(where))
    shown = sort_runs(runs, by)[:limit]
    if json_to:
        write_record("runs", {"where": where, "runs": [dataclasses.asdict(run) for run in shown]}, to=json_to)
    if json_to == "-":
        return ending.DONE
    if quiet:
        for run in shown:
            answer(run.name)
    elif not runs:
        answer(f"{INDENT}{say('cli.no_runs', where=where)}")
    else:
        answer(_table(shown))
    return ending.DONE


def _table(runs: "list[Summary]") -> str:
    head = [say(f"cli.column_{column}") for column in _COLUMNS]
    good = [run for run in runs if run.outcome != "damaged"]
    lines = [table(head, [_row(run) for run in good], right=_RIGHT, gives_way=_MODEL)] if good else []
    bad = [f"{INDENT}{run.name}  {say('cli.damaged', reason=run.reason)}" for run in runs if run.outcome == "damaged"]
    return "\n".join([*lines, *([""] if lines and bad else []), *bad])


def _row(run: "Summary") -> list[str]:
    scores = [number(run.validation), number(run.test)]
    times = [span(run.seconds), span(time.time() - run.modified)]
    outcome = say(f"cli.outcome_{run.outcome}")
    return [run.name, run.source, run.model, run.rule, outcome, run.metric, *scores, *times]


def span(seconds: float | None) -> str:
    """Write a span of time in one unit: 0.4s, 12s, 3m, 5h, 12d."""
    if seconds is None:
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (unit == "m" and seconds >= 100):
            return f"{seconds / size:.0f}{unit}"
    return f"{max(seconds, 0):.0f}s" if seconds >= 10 else f"{max(seconds, 0):.1f}s"
