"""`thalweg rates`: the range test on a terminal."""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.asking import ask_recipe, given_options, must_have, recipe_options, see_working_folder
from thalweg.cli.output import answer, note, waiting, write_record
from thalweg.cli.pages import INDENT, heading, page_width
from thalweg.cli.plot import picture_path, save_figure
from thalweg.cli.tables import number, table
from thalweg.cli.verb import Verb, common, option
from thalweg.core import UsageError, say
from thalweg.core.columns import wrap

if TYPE_CHECKING:
    from thalweg.runs.rates import RateTest
    from thalweg.train import Recipe

_EXAMPLES = (
    "thalweg rates digits",
    "thalweg rates latest --out rates.png",
    "thalweg rates wine --model mlp --rule sgd",
)
_OWN = ("--seeds", "--steps", "--low", "--high", "--out", "--runs", "--json", "--quiet", "-q", "--lang")
_ROWS = 15  # of the table


@click.command(cls=Verb, words="rates", examples=_EXAMPLES)
@click.argument("source_or_run", required=False, metavar="RUN|SOURCE|RECIPE.toml")
@recipe_options
@option("--seeds", metavar="N", type=click.IntRange(min=1), default=3, section="choice")
@option("--steps", metavar="N", type=int, default=100, section="choice")
@option("--low", metavar="RATE", type=float, default=1e-6, section="choice")
@option("--high", metavar="RATE", type=float, default=10.0, section="choice")
@option("--out", metavar="FILE", section="result", help="picture_file")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@common
def command(source_or_run: str | None, **asked: Any) -> int:
    what = must_have(source_or_run, "rates")
    picture = picture_path(asked["out"]) if asked["out"] else None
    quiet = asked["quiet"] or asked["json_to"] == "-"
    with waiting(say("cli.starting"), quiet=quiet):
        from thalweg.runs.rates import range_test

        recipe = _recipe(what, asked)
        sizes = {name: asked[name] for name in ("seeds", "steps", "low", "high")}
        test = range_test(recipe, **sizes)
    if picture:
        save_figure(test.plot(), picture)
        note("  " + say("cli.plot_written", path=picture), quiet=quiet)
    if asked["json_to"]:
        write_record("rates", test.to_plain(), to=asked["json_to"])
    if asked["json_to"] != "-":
        answer(_short(test) if asked["quiet"] else _page(test, what, _given(what)))
    return ending.DONE


def _recipe(what: str, asked: Mapping[str, Any]) -> "Recipe":
    """Take the recipe of a run where there is one of that name, else make one."""
    from thalweg.cli.settings import change, read_settings
    from thalweg.data import SOURCES
    from thalweg.runs.store import find_run
    from thalweg.train import Folder

    where = Path(asked["where"])
    is_run = what == "latest" or (where / what / "recipe.toml").is_file() or (Path(what) / "recipe.toml").is_file()
    if not is_run or what in SOURCES:
        return ask_recipe(what, asked)
    see_working_folder()
    if refused := [name for name in given_options(asked) if name != "--set"]:
        raise UsageError(
            f"`thalweg rates` takes the recipe of a run as it is, got {refused[0]!r} beside it; use --set."
        )
    return change(Folder(find_run(where, what)).recipe(), read_settings(asked["sets"]))


def _short(test: "RateTest") -> str:
    return "-" if test.proposed is None else f"{test.proposed:.1e}"


def _given(what: str) -> list[str]:
    """Return what the command line said of the recipe, for the command that trains with it."""
    words, given = sys.argv[2:], []
    while words:
        word = words.pop(0)
        name = word.partition("=")[0]
        if name in _OWN:
            alone = "=" in word or name in ("--quiet", "-q")
            if name == "--json":
                alone = not (words and (words[0] == "-" or words[0].endswith(".json")))
            del words[: 0 if alone else 1]
        elif word != what and name != "--lr":
            given.append(word)
    return given


def _page(test: "RateTest", what: str, given: Sequence[str]) -> str:
    title = say("cli.rates_title", model=test.model, source=test.source, seeds=len(test.seeds), steps=len(test.rates))
    blocks = [f"\n{INDENT}{heading(title)}", _curve(test)]
    if test.proposed is None:
        blocks.append(INDENT + heading(say("cli.rates_none")))
    else:
        steepest, lost = (_between(values) for values in (test.steepest, test.lost))
        reason = say("cli.rates_reason", steepest=steepest, diverges=lost)
        lines = [
            heading(say("cli.rates_proposed", rate=f"{test.proposed:.2g}")),
            *wrap(reason, page_width() - 4),
        ]
        lines += wrap(
            say("cli.rates_use", source=" ".join([what, *given]), rate=f"{test.proposed:.2g}"), page_width() - 4
        )
        blocks.append("\n".join(INDENT + line for line in lines))
    blocks.append(_trust(test))
    return "\n\n".join(blocks) + "\n"


def _curve(test: "RateTest") -> str:
    import numpy as np

    from thalweg.report import sparkline

    rows = []
    last = len(test.rates) - 1
    for place in (round(last * k / (_ROWS - 1)) for k in range(_ROWS)):
        known = test.losses[:, place][np.isfinite(test.losses[:, place])]
        cells = (
            [number(float(known.mean())), f"{number(float(known.min()))} .. {number(float(known.max()))}"]
            if len(known)
            else ["-", "-"]
        )
        rows.append([f"{test.rates[place]:.1e}", *cells])
    ceiling = 2 * float(np.nanmax(test.losses[:, 0])) if np.isfinite(test.losses[:, 0]).any() else math.inf
    mean = [float(np.mean(column)) if np.isfinite(column).all() else math.nan for column in test.losses.T]
    line = sparkline([min(value, ceiling) if math.isfinite(value) else value for value in mean], 56)
    head = [say(f"cli.rates_{name}") for name in ("rate", "mean", "band")]
    shown = table(head, rows, right=(0, 1))
    return f"{shown}\n\n{INDENT}{test.rates[0]:.0e} {line} {test.rates[-1]:.0e}"


def _between(values: tuple[float, ...]) -> str:
    known = sorted(value for value in values if math.isfinite(value))
    if not known:
        return "-"
    first, last = f"{known[0]:.1e}", f"{known[-1]:.1e}"
    return first if first == last else f"{first} .. {last}"


def _trust(test: "RateTest") -> str:
    if test.trusted:
        return "\n".join(INDENT + line for line in wrap(say("cli.rates_trusted"), page_width() - 4))
    lines = [INDENT + heading(say("cli.rates_doubts"))]
    for doubt in test.doubts:
        first, *rest = wrap(str(doubt), page_width() - 6)
        lines += [f"{INDENT}· {first}", *(f"{INDENT}  {line}" for line in rest)]
    return "\n".join(lines)
