"""`thalweg runs show`."""

from pathlib import Path

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, write_record
from thalweg.cli.verb import Verb, common, option


@click.command(cls=Verb, words="runs_show", examples=("thalweg runs show latest", "thalweg runs show digits-1 --json"))
@click.argument("run", metavar="RUN", default="latest")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def command(run: str, where: str, *, json_to: str | None, quiet: bool) -> int:
    from thalweg.cli.record import run_record
    from thalweg.cli.story import show_run
    from thalweg.runs import Run
    from thalweg.runs.store import find_run

    found = Run(find_run(Path(where), run))
    if json_to:
        write_record("run", run_record(found), to=json_to)
    if json_to == "-":
        return ending.DONE
    if quiet:
        answer(str(found.path))
    else:
        show_run(found)
    return ending.DONE
