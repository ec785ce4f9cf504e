"""Runs somebody's script as `python script.py args` would, in this process, with a watch on it."""

import builtins
import contextlib
import dataclasses
import os
import signal
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from thalweg.core import UsageError
from thalweg.diagnosis.watching import Case, Enough, Watch

_OURS = str(Path(__file__).parents[2])


@dataclasses.dataclass(kw_only=True)
class Ending:
    """How a script ended: its exit code, the exception or signal that ended it, whether a limit did."""

    code: int = 0
    error: BaseException | None = None
    signal: int | None = None
    limited: bool = False


class Terminated(BaseException):
    """Brings SIGTERM through a script that has no handler of its own, so that what was seen can be told."""


def read_script(path: str | Path) -> types.CodeType:
    """Compile a script. Raises `UsageError` where there is none, `SyntaxError` where it is not Python."""
    place = Path(path)
    if place.is_dir():
        raise UsageError(f"`thalweg diagnose` needs a Python script or a run, and {path} is a folder without a recipe.toml.")
    if not place.is_file():
        raise UsageError(f"{path} does not exist; give the path of a training script, or the name of a run.")
    source = place.read_bytes()
    if b"\0" in source[:4096]:
        raise UsageError(f"{path} is no Python source; give the script that trains.")
    return compile(source, str(path), "exec", dont_inherit=True)


def run_under(watch: Watch, path: str | Path, args: Sequence[str], at_exit: Callable[[int], None] | None = None) -> Ending:
    """Run a script to its end under a watch. What it raises is shown as Python shows it, and is in the `Ending`.

    `at_exit` is called where the script leaves by `os._exit`, which runs nothing after it.
    """
    code = read_script(path)
    ending = Ending()
    with _as_main(str(path), args) as module, _signals(), _leaving(at_exit):
        try:
            _attach(watch)
            exec(code, module.__dict__)
        except SystemExit as leaving:
            ending.code = _exit_code(leaving)
        except Enough:
            ending.limited = True
        except Terminated:
            ending.signal = signal.SIGTERM
            ending.code = 128 + signal.SIGTERM
        except KeyboardInterrupt as error:
            ending.signal, ending.code, ending.error = signal.SIGINT, 128 + signal.SIGINT, error
        except BaseException as error:
            ending.code, ending.error = 1, error
        finally:
            with contextlib.suppress(Exception):
                watch.detach()
        if ending.error is not None:
            show(ending.error)
        with contextlib.suppress(Exception):
            sys.stdout.flush()
    return ending


def case_of(watch: Watch, path: str | Path, ending: Ending) -> Case:
    """Return what was seen of a script."""
    case = watch.case()
    case.script = os.path.abspath(path)
    case.finished = ending.error is None and ending.signal is None and not ending.limited
    return case


def show(error: BaseException) -> None:
    """Print a traceback as Python does, without the frames that are ours."""
    told = traceback.TracebackException(type(error), error, error.__traceback__)
    _strip(told)
    sys.stdout.flush()
    sys.stderr.write("".join(told.format()))
    sys.stderr.flush()


def _strip(told: traceback.TracebackException | None) -> None:
    if told is not None:
        told.stack = traceback.StackSummary.from_list(
            [frame for frame in told.stack if not frame.filename.startswith(_OURS)]
        )
        _strip(told.__cause__)
        _strip(told.__context__)


def _attach(watch: Watch) -> None:
    try:
        watch.attach()
    except Exception as error:
        watch.case().faults.append(f"attach: {type(error).__name__}: {error}")


def _exit_code(leaving: SystemExit) -> int:
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code
    sys.stderr.write(f"{leaving.code}\n")
    return 1


@contextlib.contextmanager
def _as_main(path: str, args: Sequence[str]) -> Iterator[types.ModuleType]:
    """Make a script's module the main one; it stays so afterwards, for what it defined may still be pickled."""
    module = types.ModuleType("__main__")
    module.__dict__.update(
        __file__=path, __builtins__=builtins, __spec__=None, __cached__=None, __loader__=None, __package__=None
    )
    argv, first = sys.argv, sys.path[0]
    sys.argv = [path, *args]
    sys.path[0] = os.path.dirname(os.path.abspath(path))
    sys.modules["__main__"] = module
    try:
        yield module
    finally:
        sys.argv, sys.path[0] = argv, first


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let SIGTERM end a script as an exception, unless the script sets a handler itself."""

    def hear(number: int, frame: Any) -> None:
        raise Terminated

    pid, before = os.getpid(), signal.signal(signal.SIGTERM, hear)
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    os.register_at_fork(after_in_child=lambda: _default(hear, pid))
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is hear:
            signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def _default(ours: Any, parent: int) -> None:
    if os.getpid() != parent and signal.getsignal(signal.SIGTERM) is ours:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def _leaving(at_exit: Callable[[int], None] | None) -> Iterator[None]:
    original = os._exit

    def _exit(status: int) -> None:
        with contextlib.suppress(Exception):
            if at_exit is not None:
                at_exit(status)
        original(status)

    os._exit = _exit  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = original
