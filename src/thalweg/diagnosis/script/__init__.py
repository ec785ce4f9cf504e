"""Somebody else's script: run as it is, watched, and judged when it has ended.

`source` finds it, `running` runs it as the main program, `attaching` puts the watch on, `children` follows it into
other processes, `leaving` hears of the ways out that nothing follows, `finishing` and `merging` make the answer. None
of them imports torch before the script does.
"""

import contextlib
import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.core import message
from thalweg.diagnosis.script.attaching import Eye, fault
from thalweg.diagnosis.script.children import LIMITED, Children
from thalweg.diagnosis.script.leaving import told
from thalweg.diagnosis.script.running import Ending, run
from thalweg.diagnosis.script.source import Program, find_program

if TYPE_CHECKING:
    from thalweg.diagnosis.answer import Diagnosis

_TERMINATED_BUDGET = 5.0  # seconds: whoever sends SIGTERM sends SIGKILL soon after


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Hold the answer about a script, and how it ended: exit code, exception, signal, or a limit of ours."""

    diagnosis: "Diagnosis"
    code: int = 0
    error: BaseException | None = None
    signal: int | None = None
    limited: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Listener:
    """Hold who is told: `tell` gets the outcome and returns the exit code, `judging` surrounds the time of judging.

    Where a script leaves by `os._exit`, or is terminated, `tell` is the last thing that happens.
    """

    tell: Callable[[Outcome], int] = lambda outcome: outcome.code
    judging: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext


def run_script(
    path: str | Path, args: Sequence[str] = (), *, max_steps: int | None = None, max_seconds: float | None = None,
    budget: float = 60.0, as_module: bool = False, listener: Listener = Listener(),
) -> Outcome:  # fmt: skip
    """Run a script as `python path args` would and say what is wrong with its training; tell the listener, too.

    `budget` is how many seconds experiments may take after the script has ended. What the script raises is shown as
    Python shows it. The process is left as the script leaves it, with its main module: call this in one that is about
    to end. Raises `UsageError` where there is no script.
    """
    program = find_program(path, as_module=as_module)
    session = _Session(program, Eye(max_steps=max_steps, max_seconds=max_seconds), budget, listener)
    with session.children:
        with told(session.leave, child=session.children.leave, max_seconds=max_seconds):
            session.eye.open()
            ending = run(program, args)
        if os.getpid() != session.process:
            session.children.leave()
            raise SystemExit(LIMITED if ending.limited else ending.code)
        return session.finish(ending)


class _Session:
    """One run of a script: what is needed to finish it, from wherever it ends."""

    def __init__(self, program: Program, eye: Eye, budget: float, listener: Listener) -> None:
        self.program, self.eye, self.budget, self.listener = program, eye, budget, listener
        self.children = Children(eye)
        self.process, self.begun = os.getpid(), time.perf_counter()
        self.folder, self.streams = os.getcwd(), (sys.stdout, sys.stderr)
        self.code = 0

    def leave(self, ending: Ending) -> int:
        """Finish a script that runs no further, and return the exit code."""
        try:
            self.finish(ending)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except Exception as error:
            sys.stderr.write(f"thalweg: {fault('leaving', error)}\n")
            return ending.code
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
        return self.code

    def finish(self, ending: Ending) -> Outcome:
        """Judge and tell."""
        seconds = time.perf_counter() - self.begun
        budget = min(self.budget, _TERMINATED_BUDGET) if ending.signal == signal.SIGTERM else self.budget
        with _at_home(self.folder, self.streams):
            with self.listener.judging():
                diagnosis = self._diagnosis(ending, budget, seconds)
            code = LIMITED if ending.limited else ending.code
            outcome = Outcome(
                diagnosis=diagnosis, code=code, error=ending.error, signal=ending.signal, limited=ending.limited
            )
            self.code = self.listener.tell(outcome)
        return outcome

    def _diagnosis(self, ending: Ending, budget: float, seconds: float) -> "Diagnosis":
        from thalweg.diagnosis.script.finishing import answer
        from thalweg.diagnosis.script.merging import merge

        finished = ending.error is None and ending.signal is None and not ending.limited
        own = answer(self.eye, budget=budget, seconds=seconds, script=self.program.file, finished=finished)
        try:
            records = self.children.records()
            diagnosis = merge(own, records)
        except Exception as error:
            return dataclasses.replace(own, faults=(*own.faults, fault("children", error)))
        if diagnosis.steps:
            return diagnosis
        unseen = list(diagnosis.unseen)
        if self.children.programs:
            shown = dict.fromkeys(self.children.programs)
            unseen.append(message("diagnose.programs", programs="; ".join(list(shown)[:3])))
        if self.children.started:
            unseen.append(message("diagnose.silent_children", number=self.children.started))
        return dataclasses.replace(diagnosis, unseen=tuple(unseen))


@contextlib.contextmanager
def _at_home(folder: str, streams: tuple[Any, Any]) -> Iterator[None]:
    """Stand where the call was made: its folder and its streams; Ctrl-C and SIGTERM end the program again.

    Streams that a script has put in place of stdout are put back afterwards, for what runs at the interpreter's end.
    """
    left = sys.stdout, sys.stderr
    for stream in left:
        with contextlib.suppress(Exception):
            stream.flush()
    sys.stdout, sys.stderr = (_open(k, *pair) for k, pair in enumerate(zip(streams, left, strict=True), 1))
    here = None
    with contextlib.suppress(OSError):
        here = os.getcwd()
    with contextlib.suppress(OSError):
        os.chdir(folder)
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        sys.stdout, sys.stderr = (
            old if _writes(old) else new for old, new in zip(left, (sys.stdout, sys.stderr), strict=True)
        )
        if here is not None:
            with contextlib.suppress(OSError):
                os.chdir(here)


def _open(number: int, *streams: Any) -> Any:
    """Return the first stream that can be written to, else one made for the file of that number."""
    for stream in streams:
        if _writes(stream):
            return stream
    try:
        return open(number, "w", encoding="utf-8", closefd=False)
    except OSError:
        return open(os.devnull, "w", encoding="utf-8")


def _writes(stream: Any) -> bool:
    try:
        stream.write("")
        return not stream.closed
    except Exception:
        return False
