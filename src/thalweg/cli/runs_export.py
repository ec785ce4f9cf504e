"""`thalweg runs export`."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.output import note, write_record
from thalweg.cli.verb import Name, Verb, common, option
from thalweg.core import UsageError, say, write_atomically

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("csv", "parquet", "json")
WHAT = ("steps", "evaluations", "layers", "moving")
_EXAMPLES = (
    "thalweg runs export latest > steps.csv",
    "thalweg runs export digits-1 --what layers --out layers.parquet",
)


@click.command(cls=Verb, words="runs_export", examples=_EXAMPLES)
@click.argument("run", metavar="RUN")
@option("--what", metavar="TABLE", type=Name("table", WHAT), default="steps", section="choice")
@option("--format", "form", metavar="FORMAT", type=Name("format", FORMATS), section="choice", help="format")
@option("--out", metavar="FILE", section="choice", help="to_file")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def command(
    run: str, what: str, *, form: str | None, out: str | None, where: str, json_to: str | None, quiet: bool
) -> int:
    from thalweg.runs.store import find_run

    form = form or _by_ending(out)
    frame = _frame(find_run(Path(where), run), what)
    content = _written(frame, form)
    if out:
        write_atomically(Path(out), content)
        note(say("cli.exported", rows=f"{len(frame):,}", path=out), quiet=quiet)
    elif form == "parquet" and sys.stdout.isatty():
        raise UsageError("`--format parquet` is not for a terminal; name a file with --out, or send stdout to one.")
    elif json_to != "-":
        click.echo(content, nl=False)
    if json_to:
        facts = {"run": run, "what": what, "format": form, "rows": len(frame), "path": out}
        write_record("export", facts, to=json_to)
    return ending.DONE


def _by_ending(out: str | None) -> str:
    form = Path(out or "").suffix.removeprefix(".")
    return form if form in FORMATS else "csv"


def _frame(path: Path, what: str) -> "pl.DataFrame":
    import polars as pl

    from thalweg.signals import EVALUATION_COLUMNS, LAYER_COLUMNS
    from thalweg.train import Folder

    trace = Folder(path).trace()
    if what == "steps":
        return pl.DataFrame(trace.steps()).with_columns(pl.col("step", "member").cast(pl.Int64))
    if what == "moving":
        return _moving(trace.moving())
    rows, names = (trace.layers(), LAYER_COLUMNS) if what == "layers" else (trace.evaluations(), EVALUATION_COLUMNS)
    texts = {"layer", "signal", "split", "metric"}
    kinds = {n: pl.String if n in texts else pl.Int64 if n in ("step", "member") else pl.Float64 for n in names}
    return pl.DataFrame(rows, schema=kinds)


def _moving(found: "Mapping[str, tuple[Any, Any]]") -> "pl.DataFrame":
    import polars as pl

    rows = [
        (int(step), 0, name, value)
        for name, (steps, values) in found.items()
        for step, value in zip(steps, values, strict=True)
    ]
    kinds = {"step": pl.Int64, "member": pl.Int64, "name": pl.String, "value": pl.Float64}
    return pl.DataFrame(sorted(rows), schema=kinds, orient="row")


def _written(frame: "pl.DataFrame", form: str) -> bytes:
    buffer = io.BytesIO()
    if form == "csv":
        frame.write_csv(buffer)
    elif form == "parquet":
        frame.write_parquet(buffer)
    else:
        frame.write_json(buffer)
    return buffer.getvalue()
