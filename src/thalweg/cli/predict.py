"""`thalweg predict`: a row of CSV for each row of data, in its order."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.asking import see_working_folder
from thalweg.cli.output import note, write_record
from thalweg.cli.verb import Verb, common, option
from thalweg.core import UsageError, say, write_atomically

if TYPE_CHECKING:
    import polars as pl

    from thalweg.train import Folder

_EXAMPLES = (
    "thalweg predict latest new.csv > predicted.csv",
    "thalweg predict prices-1 new.csv --out predicted.csv",
)


@click.command(cls=Verb, words="predict", examples=_EXAMPLES)
@click.argument("run", metavar="RUN")
@click.argument("data", metavar="DATA")
@option("--out", metavar="FILE", section="choice", help="to_file")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@option("--length", metavar="N", type=click.IntRange(1), default=400, section="choice", help="length")
@common
def command(run: str, data: str, *, out: str | None, where: str, length: int, json_to: str | None, quiet: bool) -> int:
    from thalweg.runs.store import find_run
    from thalweg.train import Folder

    see_working_folder()
    path = find_run(Path(where), run)
    if Folder(path).preparation().task == "language":
        return _go_on(path, data, length=length, out=out, json_to=json_to)
    frame, said = predictions(Folder(path), data)
    for sentence in said:
        note(f"  · {sentence}", quiet=quiet)
    buffer = io.BytesIO()
    frame.write_csv(buffer)
    if out:
        write_atomically(Path(out), buffer.getvalue())
        note("  " + say("cli.predicted", rows=f"{len(frame):,}", path=out), quiet=quiet)
    elif json_to != "-":
        click.echo(buffer.getvalue(), nl=False)
    if json_to:
        rows: dict[str, Any] = {"predictions": frame.to_dict(as_series=False)} if not out else {"path": out}
        write_record("predictions", {"run": path.name, "data": data, "rows": len(frame), **rows}, to=json_to)
    return ending.DONE


def _go_on(path: Path, data: str, *, length: int, out: str | None, json_to: str | None) -> int:
    """Write how a network trained on text goes on with the text in a file."""
    from thalweg.runs import Run, continue_text

    try:
        prompt = Path(data).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{data} is no text that can be read: {error}.") from None
    text = continue_text(Run(path), prompt, length=length)
    if out:
        write_atomically(Path(out), text)
    elif json_to != "-":
        click.echo(text)
    if json_to:
        write_record("continuation", {"run": path.name, "data": data, "text": text}, to=json_to)
    return ending.DONE


def predictions(folder: "Folder", data: str) -> tuple["pl.DataFrame", list[str]]:
    """Return the predictions of a run for data, and what was noticed about the data."""
    import polars as pl

    from thalweg.data import open_source
    from thalweg.train import predict

    preparation = folder.preparation()
    source = open_source(data)
    inputs = preparation.encode(source)
    said = [str(sentence) for sentence in preparation.unseen(source)] if preparation.encoder is not None else []
    outputs = predict(folder.module(), inputs)
    decoded = preparation.decode(outputs)
    if preparation.task == "classification":
        shares = preparation.probabilities(outputs)
        named = {f"p_{name}": shares[:, k] for k, name in enumerate(preparation.class_names)}
        return pl.DataFrame({"prediction": decoded.astype(str)} | named), said
    if decoded.ndim == 1:
        return pl.DataFrame({"prediction": decoded}), said
    names = preparation.target_names or [str(k) for k in range(decoded.shape[1])]
    return pl.DataFrame({f"prediction_{name}": decoded[:, k] for k, name in enumerate(names)}), said
