"""`thalweg report`."""

from pathlib import Path

import click

from thalweg.cli import ending
from thalweg.cli.asking import see_working_folder
from thalweg.cli.output import answer, waiting, write_record
from thalweg.cli.verb import Verb, common, option
from thalweg.core import language, say

_EXAMPLES = ("thalweg report latest", "thalweg report digits-1 --lang zh --out digits.zh.html")


@click.command(cls=Verb, words="report", examples=_EXAMPLES)
@click.argument("run", metavar="RUN", default="latest")
@option("--out", metavar="FILE", section="choice", help="report_file")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def command(run: str, out: str | None, *, where: str, json_to: str | None, quiet: bool) -> int:
    with waiting(say("cli.writing_report"), quiet=quiet):
        from thalweg.runs import Run
        from thalweg.runs.store import find_run

        see_working_folder()
        found = Run(find_run(Path(where), run))
        path = found.report(out, lang=language())
    if json_to:
        write_record("report", {"run": found.name, "path": str(path), "lang": language()}, to=json_to)
    if json_to != "-":
        answer(str(path) if quiet else "  " + say("cli.report_written", path=path))
    return ending.DONE
