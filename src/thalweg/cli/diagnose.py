"""`thalweg diagnose`: run a script as it is and say why it does not learn."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, note, waiting, write_record
from thalweg.cli.pages import page_width
from thalweg.cli.verb import Name, Verb, common, option
from thalweg.core import language, say, write_atomically

if TYPE_CHECKING:
    from thalweg.diagnosis import Diagnosis
    from thalweg.diagnosis.script import Outcome

_EXAMPLES = (
    "thalweg diagnose train.py",
    "thalweg diagnose train.py --max-steps 2000 -- --lr 0.1 --epochs 5",
    "thalweg diagnose train.py --html why.html --fail-on warning",
    "thalweg diagnose latest",
)
_SEVERITIES = ("critical", "warning", "note")


@click.command(cls=Verb, words="diagnose", examples=_EXAMPLES)
@click.argument("script", metavar="SCRIPT.py|RUN")
@click.argument("args", metavar="-- ARGS", nargs=-1, type=click.UNPROCESSED, required=False)
@option("--budget", metavar="SECONDS", type=click.FloatRange(min=0), default=60.0, section="choice")
@option("--max-steps", metavar="N", type=click.IntRange(min=1), section="choice")
@option("--max-seconds", metavar="SECONDS", type=click.FloatRange(min=0), section="choice", help="script_seconds")
@option("--fail-on", metavar="SEVERITY", type=Name("severity", _SEVERITIES), section="choice")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@option("--html", metavar="FILE", section="result", help="diagnosis_html")
@common
def command(script: str, args: tuple[str, ...], **asked: Any) -> int:
    outcome = _outcome(script, args, asked)
    diagnosis = outcome.diagnosis
    sys.stdout.flush()
    if asked["html"]:
        from thalweg.report.diagnosis_html import diagnosis_html

        write_atomically(Path(asked["html"]), diagnosis_html(diagnosis, lang=language()))
        note("  " + say("diagnose.html_written", path=asked["html"]), quiet=asked["quiet"])
    if asked["json_to"]:
        write_record("diagnosis", diagnosis.to_plain(), to=asked["json_to"])
    if asked["json_to"] != "-":
        from thalweg.report.diagnosis_text import diagnosis_page, short_answer

        color = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        answer(short_answer(diagnosis) if asked["quiet"] else diagnosis_page(diagnosis, width=page_width(), color=color))
    return outcome.code or (ending.FINDINGS if _is_bad(diagnosis, asked["fail_on"]) else ending.DONE)


def _outcome(script: str, args: tuple[str, ...], asked: dict[str, Any]) -> "Outcome":
    """Watch a script, or read a run where one has that name."""
    place = Path(script)
    is_script = place.is_file() or place.suffix == ".py"
    if not is_script:
        from thalweg.diagnosis.recorded import diagnose_run
        from thalweg.diagnosis.script import Outcome
        from thalweg.runs.store import find_run

        return Outcome(diagnosis=diagnose_run(find_run(Path(asked["where"]), script)))
    from thalweg.diagnosis.script import run_script

    limits = {name: asked[name] for name in ("max_steps", "max_seconds", "budget")}
    return run_script(place, args, before_judging=lambda: waiting(say("diagnose.judging"), quiet=asked["quiet"]), **limits)


def _is_bad(diagnosis: "Diagnosis", limit: str | None) -> bool:
    if limit is None or diagnosis.worst is None:
        return False
    return _SEVERITIES.index(diagnosis.worst.value) <= _SEVERITIES.index(limit)
