"""Somebody else's file: run as it is, watched, and judged when it has ended."""

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from thalweg.diagnosis.answer import Diagnosis
from thalweg.diagnosis.script.children import Children
from thalweg.diagnosis.script.running import case_of, read_script, run_under
from thalweg.diagnosis.watching import Watch

_LIMITED = 5  # exit code of a script that was ended by a limit


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Hold the answer about a script and the exit code with which it ended."""

    diagnosis: Diagnosis
    code: int = 0


def run_script(
    path: str | Path, args: Sequence[str] = (), *, max_steps: int | None = None, max_seconds: float | None = None,
    budget: float = 60.0, before_judging: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext,
) -> Outcome:  # fmt: skip
    """Run a script as `python path args` would and say what is wrong with its training.

    `budget` is how many seconds experiments may take after the script has ended. What the script raises is shown as
    Python shows it. Raises `UsageError` where there is no script, `SyntaxError` where it is not Python.
    """
    from thalweg.diagnosis.judging import judge  # after the script, so that what it imports is not ours to slow down

    read_script(path)
    watch = Watch()
    watch.limit(max_steps=max_steps, max_seconds=max_seconds)
    with Children(watch) as children:
        ending = run_under(watch, path, args, children.left)
        case = case_of(watch, path, ending)
        with before_judging():
            diagnosis = children.join(judge(case, budget=budget))
    return Outcome(diagnosis=diagnosis, code=_LIMITED if ending.limited else ending.code)
