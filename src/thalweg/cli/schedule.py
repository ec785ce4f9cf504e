"""`thalweg schedule ...`: how a schedule goes, before any training."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.front import Front
from thalweg.cli.output import answer, waiting, write_record
from thalweg.cli.pages import INDENT, heading, page_width
from thalweg.cli.plot import picture_path, save_figure
from thalweg.cli.tables import number, table
from thalweg.cli.verb import Verb, common, option
from thalweg.core import say
from thalweg.core.columns import width_of, wrap

if TYPE_CHECKING:
    import numpy as np

    from thalweg.schedules import Progress, Schedule

_LINES, _MARGIN = 8, 8  # of the curve on a terminal: its height, and the columns for what stands left of it
_ROWS = 11  # of the table: each tenth of the run
_BLOCKS = " ▁▂▃▄▅▆▇█"
_NESTED = '"sequence(parts=[warmup(length=5, unit=epochs), cosine])"'

command = Front(
    "schedule",
    {
        "show": ("thalweg.cli.schedule", "show", "look"),
        "plot": ("thalweg.cli.schedule", "plot", "look"),
    },
    examples=(
        "thalweg schedule show warmup-cosine",
        f"thalweg schedule show {_NESTED} --epochs 30",
        "thalweg schedule plot cosine one-cycle --out schedules.png",
    ),
)


def _of_a_run(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a verb the schedules that it is about, and the size of the run that they are for."""
    natural = click.IntRange(min=1)
    for decorate in (
        option("--lr", metavar="RATE", type=click.FloatRange(min=0, min_open=True), section="choice", help="plan_lr"),
        option("--batch-size", metavar="N", type=natural, default=64, section="choice", help="plan_batch_size"),
        option("--steps-per-epoch", metavar="N", type=natural, default=100, section="choice"),
        option("--epochs", metavar="N", type=natural, default=30, section="choice", help="plan_epochs"),
        click.argument("schedules", metavar="SCHEDULE...", nargs=-1, required=True),
    ):
        function = decorate(function)
    return function


@click.command(cls=Verb, words="schedule_plot", examples=("thalweg schedule plot cosine restarts --lr 0.1",))
@_of_a_run
@option("--log", is_flag=True, section="result")
@option("--out", metavar="FILE", section="result", help="picture_file")
@common
def plot(schedules: tuple[str, ...], **asked: Any) -> int:
    path = picture_path(asked["out"] or "schedule.png")
    with waiting(say("cli.starting"), quiet=asked["quiet"] or asked["json_to"] == "-"):
        from thalweg.report.schedule_figure import plot_schedules

        found, run = _read(schedules, asked)
        save_figure(plot_schedules(found, run, lr=asked["lr"], log=asked["log"]), path)
    if asked["json_to"]:
        write_record("schedule_plot", {"schedules": list(found), "path": str(path)}, to=asked["json_to"])
    if asked["json_to"] != "-":
        notes = [] if asked["quiet"] else _notes(found)
        answer(str(path) if asked["quiet"] else "\n".join([INDENT + say("cli.plot_written", path=path), *notes]))
    return ending.DONE


@click.command(
    cls=Verb,
    words="schedule_show",
    examples=("thalweg schedule show one-cycle --lr 0.1", f"thalweg schedule show {_NESTED}"),
)
@_of_a_run
@common
def show(schedules: tuple[str, ...], **asked: Any) -> int:
    with waiting(say("cli.starting"), quiet=asked["quiet"] or asked["json_to"] == "-"):
        found, run = _read(schedules, asked)
        moments = {name: _moments(schedule, run, asked["lr"]) for name, schedule in found.items()}
    if asked["json_to"]:
        from thalweg.core import to_plain

        records = [{"schedule": to_plain(found[name]), "moments": rows} for name, rows in moments.items()]
        write_record("schedule", {"schedules": records}, to=asked["json_to"])
    if asked["json_to"] == "-":
        return ending.DONE
    for name, schedule in found.items():
        if asked["quiet"]:
            answer("\n".join(f"{row['step']} {row['factor']:.6g}" for row in moments[name]))
        else:
            answer(_page(name, schedule, run=run, rows=moments[name]))
    return ending.DONE


def _read(texts: tuple[str, ...], asked: dict[str, Any]) -> "tuple[dict[str, Schedule], Progress]":
    """Read the schedules and the run that they are for. Raises `UsageError` for one that is longer."""
    import torch

    from thalweg.core import read_component
    from thalweg.schedules import SCHEDULES, must_fit, progress

    size = {
        "steps_per_epoch": asked["steps_per_epoch"],
        "num_steps": asked["epochs"] * asked["steps_per_epoch"],
        "batch_size": asked["batch_size"],
    }
    found = {text: read_component(SCHEDULES, text, "schedule") for text in texts}
    for schedule in found.values():
        must_fit(schedule, **size)
    return found, progress(torch.zeros(()), **size)


def _moments(schedule: "Schedule", run: "Progress", lr: float | None) -> list[dict[str, float]]:
    """Return the factor at each tenth of the run; the last moment is that of the last step."""
    import torch

    from thalweg.schedules import progress

    steps = torch.linspace(0, run.num_steps, _ROWS, dtype=torch.float64).round().clamp(max=run.num_steps - 1).unique()
    at = progress(
        steps, steps_per_epoch=int(run.steps_per_epoch), num_steps=int(run.num_steps), batch_size=int(run.batch_size)
    )
    names = ("step", "epoch", "share", "factor")
    rows = zip(*(told.tolist() for told in (at.step, at.epoch, at.share, schedule.factor(at))), strict=True)
    return [
        {**dict(zip(names, row, strict=True)), "step": int(row[0]), **({"lr": lr * row[-1]} if lr else {})}
        for row in rows
    ]


def _page(name: str, schedule: "Schedule", *, run: "Progress", rows: list[dict[str, float]]) -> str:
    from thalweg.report.schedule_figure import curve

    about = wrap(say(f"schedules.{schedule.name}"), page_width() - 4)
    lines = [*(heading(line) for line in wrap(name, page_width() - 4)), *about]
    epochs, values = curve(schedule, run)
    head = [say(f"cli.schedule_{column}") for column in ("share", "epoch", "step", "factor")]
    cells = [
        [f"{100 * row['share']:.0f} %", f"{row['epoch']:.4g}", f"{row['step']:,}", number(row["factor"])]
        for row in rows
    ]
    if "lr" in rows[0]:
        head.append(say("cli.schedule_rate"))
        cells = [[*cell, f"{row['lr']:.3g}"] for cell, row in zip(cells, rows, strict=True)]
    blocks = [
        "\n".join(INDENT + line for line in lines),
        _chart(values, last=f"{epochs[-1]:g}"),
        table(head, cells, right=range(len(head))),
        *_notes({name: schedule}),
    ]
    return "\n" + "\n\n".join(blocks) + "\n"


def _chart(values: "np.ndarray", *, last: str) -> str:
    """Draw a curve from 0 to its highest value as an area of blocks, with its ends named."""
    import numpy as np

    width = min(page_width(), 80) - len(INDENT) * 2 - _MARGIN
    places = np.arange(width) * (len(values) - 1) // width  # a value holds until the next
    top = float(values.max()) or 1.0
    heights = np.ceil(values[places] / top * _LINES * 8 - 1e-9).astype(int)
    lines = []
    for k in reversed(range(_LINES)):
        label = f"{top:.3g}" if k == _LINES - 1 else "0" if k == 0 else ""
        lines.append(f"{INDENT}{label:>{_MARGIN - 2}} │" + "".join(_BLOCKS[min(max(h - 8 * k, 0), 8)] for h in heights))
    axis = f"{INDENT}{'':{_MARGIN - 2}} └" + "─" * width
    return "\n".join([*(line.rstrip() for line in lines), axis, _spread(f"{say('cli.schedule_epoch')} 0", last, width)])


def _spread(left: str, right: str, width: int) -> str:
    return INDENT + " " * _MARGIN + left + " " * (width - width_of(left) - width_of(right)) + right


def _notes(found: "dict[str, Schedule]") -> list[str]:
    """Say of which curves training decides."""
    from thalweg.schedules import metrics_read

    read = dict.fromkeys(metric for schedule in found.values() for metric in metrics_read(schedule))
    if not read:
        return []
    said = wrap(say("cli.schedule_reads", metrics=", ".join(read)), page_width() - 4)
    return ["\n".join(INDENT + line for line in said)]
