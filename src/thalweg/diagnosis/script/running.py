"""Runs a program in this process as `python program args` would run it in one of its own."""

import builtins
import dataclasses
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Callable, Sequence
from typing import Any

from thalweg.diagnosis.script.source import NoProgram, Program
from thalweg.diagnosis.script.tracebacks import hidden, show

_PATIENCE = 15.0  # seconds for children whose limits ended them, too, to leave a record


class OutOfTime(BaseException):
    """Ends a script whose time is up outside an optimizer's step."""


@dataclasses.dataclass(kw_only=True)
class Ending:
    """Hold how a script ended: its exit code, the exception or signal that ended it, whether a limit did."""

    code: int = 0
    error: BaseException | None = None
    signal: int | None = None
    limited: bool = False


def run(program: Program, args: Sequence[str]) -> Ending:
    """Run a program to its end and return how it ended; what it raised has been shown.

    The process is left as the program left it: its main module, arguments and import path stay.
    """
    process = os.getpid()
    with hidden():
        ending = _ended(lambda: _execute(program, args))
        if os.getpid() == process:
            waited = _ended(lambda: _wait_for_the_rest(_PATIENCE if ending.limited else None))
            ending = waited if waited.signal and not ending.code else ending
    return ending


def is_limit(error: BaseException | None) -> bool:
    """Return whether one of our limits ended a script, even if the script made another exception of it."""
    while error is not None:
        kind = type(error)
        if kind is OutOfTime or (kind.__name__ == "Enough" and kind.__module__.startswith("thalweg.diagnosis")):
            return True
        error = error.__cause__ or error.__context__
    return False


def _ended(call: Callable[[], None]) -> Ending:
    try:
        call()
    except NoProgram:
        raise
    except SystemExit as leaving:
        return Ending(code=_exit_code(leaving.code), limited=is_limit(leaving))
    except BaseException as error:
        if is_limit(error):
            return Ending(limited=True)
        show(error)
        if isinstance(error, KeyboardInterrupt):
            return Ending(code=128 + signal.SIGINT, error=error, signal=signal.SIGINT)
        return Ending(code=1, error=error)
    return Ending()


def _execute(program: Program, args: Sequence[str]) -> None:
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = program.folder
    sys.argv = ["-m" if program.file is None else program.argv, *args]
    module = types.ModuleType("__main__")
    module.__dict__.update(__builtins__=builtins, __annotations__={}, __cached__=None)
    sys.modules["__main__"] = module
    code, names = program.load()
    if program.file is None:
        sys.argv[0] = names["__file__"]
    module.__dict__.update(names)
    exec(code, module.__dict__)


def _exit_code(code: Any) -> int:
    """Return the exit code of `SystemExit(code)`; Python prints what is no number."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _wait_for_the_rest(seconds: float | None) -> None:
    """Wait for threads and child processes that Python would wait for before it leaves; not longer than `seconds`."""
    until = None if seconds is None else time.monotonic() + seconds

    def left() -> float | None:
        return None if until is None else max(0.0, until - time.monotonic())

    pools: Any = getattr(sys.modules.get("concurrent.futures.thread"), "_threads_queues", ())
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread() and thread not in pools:
            thread.join(left())
    if "multiprocessing" in sys.modules:
        for process in sys.modules["multiprocessing"].active_children():
            if process._parent_pid == os.getpid() and (seconds is not None or not process.daemon):
                process.join(left())
