"""`thalweg runs rm` and `thalweg runs restore`."""

from pathlib import Path

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, note, write_record
from thalweg.cli.verb import Verb, common, option
from thalweg.core import UsageError, say


@click.command(cls=Verb, words="runs_rm", examples=("thalweg runs rm digits-3", "thalweg runs rm digits-3 --force"))
@click.argument("runs", metavar="RUN ...", nargs=-1)
@option("--force", is_flag=True, section="choice")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def remove(runs: tuple[str, ...], force: bool, *, where: str, json_to: str | None, quiet: bool) -> int:
    from thalweg.runs.store import find_run, remove_run

    _must_name(runs, "rm")
    found = list(dict.fromkeys(find_run(Path(where), run) for run in runs))
    places = {}
    for path in found:
        place = places[path.name] = remove_run(path, force=force)
        said = say("cli.removed", run=place.name, place=place) if place else say("cli.deleted", run=path.name)
        note(said, quiet=quiet)
    _report(json_to, "removed", places=places)
    return ending.DONE


@click.command(cls=Verb, words="runs_restore", examples=("thalweg runs restore digits-3",))
@click.argument("runs", metavar="RUN ...", nargs=-1)
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def restore(runs: tuple[str, ...], where: str, *, json_to: str | None, quiet: bool) -> int:
    from thalweg.runs.store import restore_run

    _must_name(runs, "restore")
    places = {run: restore_run(Path(where), run) for run in runs}
    for run, place in places.items():
        note(say("cli.restored", run=run, place=place), quiet=quiet)
    if quiet:
        for place in places.values():
            answer(str(place))
    _report(json_to, "restored", places=dict(places))
    return ending.DONE


def _must_name(runs: tuple[str, ...], verb: str) -> None:
    if not runs:
        raise UsageError(f"`thalweg runs {verb}` needs the name of a run; `thalweg runs ls` lists them.")


def _report(json_to: str | None, kind: str, *, places: dict[str, Path | None]) -> None:
    if json_to:
        rows = [{"run": run, "path": None if place is None else str(place)} for run, place in places.items()]
        write_record(kind, {"runs": rows}, to=json_to)
