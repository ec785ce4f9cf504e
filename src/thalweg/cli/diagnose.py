"""`thalweg diagnose`: run a script as it is and say why it does not learn."""

import os
import warnings
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thalweg.cli import ending
from thalweg.cli.output import answer, note, waiting, write_record
from thalweg.cli.pages import page_width
from thalweg.cli.verb import Name, Option, Verb, common, option
from thalweg.core import StorageError, UsageError, language, say, write_atomically

if TYPE_CHECKING:
    from thalweg.diagnosis import Diagnosis
    from thalweg.diagnosis.script import Outcome

_EXAMPLES = (
    "thalweg diagnose train.py",
    "thalweg diagnose train.py --max-steps 2000 -- --lr 0.1 --epochs 5",
    "thalweg diagnose -m package.train --html why.html",
    "thalweg diagnose latest --fail-on warning",
)
_SECONDS = click.FloatRange(min=0, min_open=True)
_SEVERITIES = ("critical", "warning", "note")
_CURE = "what is meant for the script goes behind --: thalweg diagnose train.py -- --lr 0.1"


class Diagnose(Verb):
    """Be the verb: what stands behind `--` is the script's and is not looked at."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        place = args.index("--") if "--" in args else len(args)
        try:
            rest = Verb.parse_args(self, ctx, self._with_path(args[:place]))
        except click.NoSuchOption as error:
            raise UsageError(f"`thalweg diagnose` has no option {error.option_name}; {_CURE}.") from None
        except click.UsageError as error:
            if "extra argument" not in error.message:
                raise
            raise UsageError(f"`thalweg diagnose` takes one script or run, got more; {_CURE}.") from None
        ctx.params["args"] = tuple(args[place + 1 :])
        return rest

    def _with_path(self, args: list[str]) -> list[str]:
        """Let `--json PATH` behind the script take any path: a second script cannot be meant."""
        taking = {name for p in self.params if isinstance(p, Option) and not p.is_flag for name in p.opts}
        settled: list[str] = []
        script = False
        words = iter(args)
        for word in words:
            settled.append(word)
            if word == "--json":
                following = next(words, None)
                bare = following is not None and script and not following.startswith("-")
                if bare:
                    settled[-1] = f"--json={following}"
                elif following is not None:
                    settled.append(following)
                    script = script or not (following.startswith("-") or following.endswith(".json"))
            elif word in taking:
                settled += [following for following in (next(words, None),) if following is not None]
            elif not word.startswith("-"):
                script = True
        return settled


@click.command(cls=Diagnose, words="diagnose", examples=_EXAMPLES)
@click.argument("script", metavar="SCRIPT.py|RUN")
@option("--module", "-m", is_flag=True, section="choice", help="as_module")
@option("--budget", metavar="SECONDS", type=click.FloatRange(min=0), default=60.0, section="choice")
@option("--max-steps", metavar="N", type=click.IntRange(min=1), section="choice", help="script_steps")
@option("--max-seconds", metavar="S", type=_SECONDS, section="choice", help="script_seconds")
@option("--fail-on", metavar="SEVERITY", type=Name("severity", _SEVERITIES), section="choice", help="diagnose_fail_on")
@option("--runs", "where", metavar="DIR", default="runs", section="choice", help="where")
@option("--html", metavar="FILE", section="result", help="diagnosis_html")
@common
def command(script: str, args: tuple[str, ...], **asked: Any) -> int:
    for name in ("html", "json_to"):
        _must_be_writable(asked[name])
    if not asked["module"] and _is_run(script, asked["where"]):
        if args or asked["max_steps"] or asked["max_seconds"]:
            raise UsageError(
                f"`thalweg diagnose RUN` reads what {script!r} recorded and runs nothing; "
                "leave out --max-steps, --max-seconds and what is behind --."
            )
        return _tell(_recorded(script, asked), asked)
    from thalweg.diagnosis.script import Listener, run_script

    codes = [ending.FAILURE]

    def tell(outcome: "Outcome") -> int:
        codes[:] = [ending.code_of(lambda: _tell(outcome, asked))]
        return codes[0]

    def judging() -> AbstractContextManager[None]:
        return waiting(say("diagnose.judging"), quiet=asked["quiet"])

    limits = {name: asked[name] for name in ("max_steps", "max_seconds", "budget")}
    run_script(script, args, **limits, as_module=asked["module"], listener=Listener(tell=tell, judging=judging))
    return codes[0]


def _tell(outcome: "Outcome", asked: dict[str, Any]) -> int:
    """Write the answer where it is wanted and return the exit code: the script's own, if it is not 0."""
    diagnosis = outcome.diagnosis
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a script may have made errors of them
        if asked["html"]:
            from thalweg.report.diagnosis_html import diagnosis_html

            write_atomically(Path(asked["html"]), diagnosis_html(diagnosis, lang=language()))
            note("  " + say("diagnose.html_written", path=asked["html"]), quiet=asked["quiet"])
        if asked["json_to"]:
            write_record("diagnosis", diagnosis.to_plain(), to=asked["json_to"])
        if asked["json_to"] != "-":
            answer(diagnosis.verdict if asked["quiet"] else _page(diagnosis))
    return outcome.code or (ending.FINDINGS if _is_bad(diagnosis, asked["fail_on"]) else ending.DONE)


def _page(diagnosis: "Diagnosis") -> str:
    from thalweg.report.diagnosis_text import diagnosis_page

    return diagnosis_page(diagnosis, lang=language(), width=page_width())


def _is_run(name: str, where: str) -> bool:
    """Return whether a run is meant: by its folder, its recipe, or its name where no script has that."""
    path = Path(name).expanduser()
    if path.is_dir() or path.name == "recipe.toml":
        return path.name == "recipe.toml" or (path / "recipe.toml").is_file()
    return not path.is_file() and path.suffix != ".py" and os.sep not in name


def _recorded(name: str, asked: dict[str, Any]) -> "Outcome":
    with waiting(say("diagnose.judging"), quiet=asked["quiet"]):
        from thalweg.diagnosis.recorded import diagnose_run
        from thalweg.diagnosis.script import Outcome
        from thalweg.runs.store import find_run

        return Outcome(diagnosis=diagnose_run(find_run(Path(asked["where"]), name)))


def _must_be_writable(path: str | None) -> None:
    """Find out before a script has run for an hour that its record could not be written."""
    if path in (None, "-"):
        return
    folder = Path(str(path)).expanduser().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(str(path)).is_dir():
        raise StorageError(f"{path} could not be written: its folder must exist and be writable; choose another place.")


def _is_bad(diagnosis: "Diagnosis", limit: str | None) -> bool:
    if limit is None or diagnosis.worst is None:
        return False
    return _SEVERITIES.index(diagnosis.worst.value) <= _SEVERITIES.index(limit)
