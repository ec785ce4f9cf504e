"""`thalweg plot`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, waiting, write_record
from thalweg.cli.verb import Verb, common, option
from thalweg.core import UsageError, say, storage_errors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURES = (".png", ".svg", ".pdf")


@click.command(cls=Verb, words="plot", examples=("thalweg plot latest --out curves.png",))
@click.argument("run", metavar="RUN", default="latest")
@option("--out", metavar="FILE", section="choice", help="picture_file")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def command(run: str, out: str | None, *, where: str, json_to: str | None, quiet: bool) -> int:
    path = picture_path(out or "curves.png")
    with waiting(say("cli.starting"), quiet=quiet):
        from thalweg.runs import Run
        from thalweg.runs.store import find_run

        found = Run(find_run(Path(where), run))
        save_figure(found.plot(), path)
    if json_to:
        write_record("plot", {"run": found.name, "path": str(path)}, to=json_to)
    if json_to != "-":
        answer(str(path) if quiet else "  " + say("cli.plot_written", path=path))
    return ending.DONE


def picture_path(name: str) -> Path:
    """Return the path of a picture. Raises `UsageError` for an ending that no picture has."""
    path = Path(name)
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"`--out` must end in {', '.join(PICTURES)}, got {name!r}.")
    return path


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that its ending names."""
    with storage_errors(path):
        try:
            figure.savefig(path, dpi=150, bbox_inches="tight")
        except FileNotFoundError:
            raise UsageError(f"`--out` must lie in a folder that exists, got {str(path)!r}.") from None
