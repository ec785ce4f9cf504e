"""`thalweg train`: from data to a trained network, a recorded run and a report."""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.asking import ask_recipe, given_options, must_have, recipe_options, see_working_folder
from thalweg.cli.output import answer, note, waiting, write_record
from thalweg.cli.pages import page_width
from thalweg.cli.verb import Name, Verb, common, option
from thalweg.core import Outcome, UsageError, say
from thalweg.core.columns import wrap

if TYPE_CHECKING:
    from thalweg.runs import Run
    from thalweg.train import Recipe, Session

SEVERITIES = ("critical", "warning", "note", "never")
EXAMPLES = (
    "thalweg train digits",
    "thalweg train prices.csv --target price --hidden 64,32",
    "thalweg train spiral --set data.noise=0.2 --rule sgd --set rule.momentum=0.9",
    "thalweg train runs/digits-1/recipe.toml",
    "thalweg train --resume latest",
)


@click.command(cls=Verb, words="train", examples=EXAMPLES)
@click.argument("source", required=False, metavar="SOURCE|RECIPE.toml")
@recipe_options
@option("--out", metavar="DIR", default="runs", section="result")
@option("--resume", metavar="RUN", section="result")
@option("--report/--no-report", default=True, section="result", help="report_or_not")
@option("--print-recipe", is_flag=True, section="result")
@option("--print-parameters", is_flag=True, section="result")
@option("--fail-on", metavar="SEVERITY", type=Name("severity", SEVERITIES), default="never", section="result")
@common
def command(source: str | None, **asked: Any) -> int:
    if asked["print_recipe"]:
        return _print_recipe(ask_recipe(must_have(source, "train"), asked))
    if asked["print_parameters"]:
        return _print_parameters(ask_recipe(must_have(source, "train"), asked), asked["json_to"])
    quiet = asked["quiet"] or asked["json_to"] == "-"
    with waiting(say("cli.starting"), quiet=quiet):
        session = _resume(asked, source) if asked["resume"] else _start(must_have(source, "train"), asked)
    signalled = _train(session, quiet=quiet)
    return _finish(session, asked, signalled=signalled)


def _start(source: str, asked: Mapping[str, Any]) -> "Session":
    recipe = ask_recipe(source, asked)
    from thalweg.train import start

    return start(recipe, out=Path(asked["out"]))


def _resume(asked: Mapping[str, Any], source: str | None) -> "Session":
    """Go on with a run. Only its budget of time may change: all else would make it another run."""
    from thalweg.runs.store import find_run
    from thalweg.train import resume

    given = [source or "", *given_options(asked)]
    if refused := [text for text in given if text and text != "--max-seconds"]:
        raise UsageError(f"`--resume` goes on with a run as it was, got {refused[0]!r} beside it; leave it out.")
    see_working_folder()
    session = resume(find_run(Path(asked["out"]), asked["resume"]))
    if asked["max_seconds"]:
        from thalweg.cli.settings import change

        recipe = change(session.job.recipe, [("max_seconds", asked["max_seconds"])])
        session.job.recipe = dataclasses.replace(session.job.recipe, max_seconds=recipe.max_seconds)
    return session


def _print_recipe(recipe: "Recipe") -> int:
    from thalweg.train import make_job
    from thalweg.train.recipe_file import write_recipe

    answer(write_recipe(make_job(recipe).recipe, {}).rstrip())
    return ending.DONE


def _print_parameters(recipe: "Recipe", json_to: str | None) -> int:
    from thalweg.cli.parameters import parameter_page
    from thalweg.train import make_job
    from thalweg.train.parameters import parameter_table

    job = make_job(recipe)
    if json_to:
        rows = [dataclasses.asdict(row) for row in parameter_table(job)]
        write_record("parameters", {"parameters": rows}, to=json_to)
    if json_to != "-":
        answer(parameter_page(job))
    return ending.DONE


def _train(session: "Session", *, quiet: bool) -> int | None:
    """Train to the end, showing it; return the number of the signal that ended it, if one did."""
    from thalweg.cli.display import display
    from thalweg.cli.interrupts import Interrupts
    from thalweg.cli.pulse import Pulse

    for line in _opening(session):
        note(line, quiet=quiet)
    run = str(session.folder.path)
    with Interrupts(session.stop, run=run, quiet=quiet) as interrupts:
        pulse = Pulse(session.job)
        if session.job.state.step and not quiet:
            pulse.recall(session.folder.trace().evaluations())
        shown = display(pulse, quiet=quiet)
        try:
            for snapshot in session:
                shown.see(snapshot)
        finally:
            shown.close()
    for sentence in session.told[-1:] if session.outcome is Outcome.INTERRUPTED else ():
        note(f"  {sentence}", quiet=quiet)
    return interrupts.received


def _opening(session: "Session") -> list[str]:
    """Say what is being trained on what, and what was decided for the user."""
    from thalweg.train import describe

    job = session.job
    model = describe(job.recipe.model) if job.recipe.model else "?"
    first = say("cli.training", run=session.folder.path.name, model=model, source=job.recipe.data.name)
    parts = {name: f"{len(getattr(job.data, name)):,}" for name in ("train", "validation", "test")}
    lines = ["", *("  " + line for line in wrap(first, page_width() - 4))]
    for sentence in (say("cli.examples_of", **parts), *job.said, *session.told):
        head, *rest = wrap(str(sentence), page_width() - 6)
        lines += [f"  · {head}", *(f"    {line}" for line in rest)]
    return [*lines, ""]


def _finish(session: "Session", asked: Mapping[str, Any], *, signalled: int | None) -> int:
    """Write report, record and page; return the exit code."""
    from thalweg.runs import Run

    run = Run(session.folder.path)
    interrupted = session.outcome is Outcome.INTERRUPTED
    if asked["report"] and not interrupted:
        with waiting(say("cli.writing_report"), quiet=asked["quiet"]):
            run.report()
    if asked["json_to"]:
        from thalweg.cli.record import run_record

        write_record("run", run_record(run), to=asked["json_to"])
    if asked["quiet"] and asked["json_to"] != "-":
        answer(str(run.path))
    elif not asked["quiet"] and asked["json_to"] != "-" and not interrupted:
        from thalweg.cli.story import show_run

        note("")
        show_run(run, decisions=not (sys.stdout.isatty() and sys.stderr.isatty()))
    return _code(session, run, fail_on=asked["fail_on"], signalled=signalled)


def _code(session: "Session", run: "Run", *, fail_on: str, signalled: int | None) -> int:
    if session.outcome is Outcome.INTERRUPTED and signalled is not None:
        return ending.SIGNALLED + signalled
    if session.outcome is Outcome.DIVERGED:
        return ending.DIVERGED
    if any(
        SEVERITIES.index(found.severity) <= SEVERITIES.index(fail_on) for found in run.findings if fail_on != "never"
    ):
        return ending.FINDINGS
    return ending.BUDGET if session.outcome is Outcome.BUDGET else ending.DONE
