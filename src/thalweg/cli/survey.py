"""`thalweg survey`: what a network does at step 0, from one start or from several side by side."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.asking import ask_recipe, must_have, recipe_options
from thalweg.cli.output import answer, note, waiting, write_record
from thalweg.cli.pages import INDENT, heading, page_width
from thalweg.cli.plot import picture_path, save_figure
from thalweg.cli.tables import number, table
from thalweg.cli.verb import Verb, common, option
from thalweg.core import UsageError, say
from thalweg.core.columns import wrap

if TYPE_CHECKING:
    from thalweg.init import Survey, SurveyRow
    from thalweg.train import Job

EXAMPLES = 256  # of the training data: the batch that is looked at
OWN = "own"
_EXAMPLES = (
    "thalweg survey digits",
    "thalweg survey digits --hidden 64,64,64,64 --activation tanh --init he --init 'normal(std=0.01)' --out start.png",
    "thalweg survey recipe.toml --init lsuv --json",
)


@click.command(cls=Verb, words="survey", examples=_EXAMPLES)
@click.argument("source", required=False, metavar="SOURCE|RECIPE.toml")
@recipe_options
@option("--init", "inits", metavar="START", multiple=True, section="network", help="inits")
@option("--out", metavar="FILE", section="result", help="picture_file")
@common
def command(source: str | None, *, inits: tuple[str, ...], out: str | None, **asked: Any) -> int:
    what = must_have(source, "survey")
    picture = picture_path(out) if out else None
    if len(set(inits)) < len(inits):
        raise UsageError("`thalweg survey` takes each --init once; leave the second one out.")
    quiet = asked["quiet"] or asked["json_to"] == "-"
    with waiting(say("cli.starting"), quiet=quiet):
        from thalweg.train import make_job

        job = make_job(ask_recipe(what, asked))
        surveys = survey_starts(job, inits or (OWN,))
    if picture:
        from thalweg.report.survey import plot_survey

        save_figure(plot_survey({_shown(name): found for name, found in surveys.items()}), picture)
        note("  " + say("cli.plot_written", path=picture), quiet=quiet)
    if asked["json_to"]:
        plain = {name: found.to_plain() for name, found in surveys.items()}
        record = {**_facts(job), "seed": job.recipe.seed, "surveys": plain}
        write_record("survey", record, to=asked["json_to"])
    if asked["json_to"] != "-":
        answer(_short(surveys) if asked["quiet"] else _page(job, surveys))
    return ending.DONE


# A recipe has one start, a survey as many as wanted.
command.params = [param for param in command.params if param.name != "init"]


def survey_starts(job: "Job", texts: Sequence[str]) -> dict[str, "Survey"]:
    """Survey copies of a job's network, each from another start; "own" is the start that it has."""
    from thalweg.core import read_component
    from thalweg.init import INITS, start, survey

    inits = {text: None if text == OWN else read_component(INITS, text, "init") for text in texts}
    x, y = job.data.train.batch(job.sample[:EXAMPLES])
    found = {}
    for text, init in inits.items():
        module = copy.deepcopy(job.state.module).train()
        if init is not None:
            start(module, init, seed=job.recipe.seed, batch=x)
        found[text] = survey(module, (x, y), loss_fn=job.loss.total)
    return found


def _facts(job: "Job") -> dict[str, Any]:
    from thalweg.train import describe

    assert job.recipe.model is not None  # a job's recipe is resolved
    examples = min(EXAMPLES, len(job.sample))
    return {"source": job.recipe.data.name, "model": describe(job.recipe.model), "examples": examples}


def _shown(name: str) -> str:
    return say("survey.own") if name == OWN else name


def _short(surveys: dict[str, "Survey"]) -> str:
    return "\n".join(f"{name} {found.forward} {found.backward}" for name, found in surveys.items())


def _page(job: "Job", surveys: dict[str, "Survey"]) -> str:
    blocks = [f"\n{INDENT}{heading(say('survey.title', **_facts(job)))}"]
    for name, found in surveys.items():
        blocks.append(f"{INDENT}{heading(_shown(name))}\n{_table(found.rows)}\n{_paragraph(_way(found))}")
    if len(surveys) > 1:
        blocks.append(f"{INDENT}{heading(say('survey.side_by_side'))}\n{_side_by_side(surveys)}")
    blocks.append(click.style(_paragraph(say("survey.legend")), dim=True))
    return "\n\n".join(blocks) + "\n"


def _table(rows: Sequence["SurveyRow"]) -> str:
    names = ("layer", "activation", "mean", "std", "dead", "saturated", "grad")
    cells = [
        [row.name, "" if row.activation == "identity" else row.activation, number(row.mean), number(row.std),
         _share(row.dead), _share(row.saturated), number(row.grad_std)]
        for row in rows
    ]  # fmt: skip
    head = [say(f"survey.column_{name}") for name in names]
    return table(head, cells, right=(2, 3, 4, 5, 6), gives_way=0)


def _side_by_side(surveys: dict[str, "Survey"]) -> str:
    cells = [
        [_shown(name), _verdict(found.forward), _ratio(found.forward_ratio), _verdict(found.backward),
         _ratio(found.backward_ratio)]
        for name, found in surveys.items()
    ]  # fmt: skip
    head = [say(f"survey.column_{name}") for name in ("start", "forward")] + [""]
    return table([*head, say("survey.column_backward"), ""], cells, right=(2, 4), gives_way=0)


def _way(found: "Survey") -> str:
    return say(
        "survey.way",
        forward=_verdict(found.forward),
        backward=_verdict(found.backward),
        forward_ratio=_ratio(found.forward_ratio),
        backward_ratio=_ratio(found.backward_ratio),
    )


def _verdict(word: str) -> str:
    return say(f"survey.{word}")


def _ratio(value: float) -> str:
    return "-" if value != value else f"{value:.2g}"


def _share(value: float) -> str:
    return "-" if value != value else f"{100 * value:.0f} %"


def _paragraph(text: str) -> str:
    return "\n".join(INDENT + line for line in wrap(text, page_width() - 4))
