"""How a command ends: its exit code, and one sentence for whatever went wrong.

0 done · 1 failure · 2 usage or bad input · 3 findings at or above --fail-on · 4 training diverged · 5
budget reached, best kept · 130, 143 stopped by SIGINT, SIGTERM after a checkpoint · 141 the reader of our
output went away.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from thalweg.core import ThalwegError, say

DONE, FAILURE, USAGE, FINDINGS, DIVERGED, BUDGET = range(6)
SIGNALLED = 128  # plus the number of the signal
_PIPE = 141


def code_of(call: Callable[[], Any]) -> int:
    """Call, and return the exit code; say what went wrong in one sentence on stderr."""
    try:
        code = call()
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_output()
        return _PIPE
    except (KeyboardInterrupt, click.Abort):
        _say(say("cli.left_before"))
        return SIGNALLED + 2
    except SystemExit as leaving:
        if type(sys.stdout).__name__.endswith("PacifyFlushWrapper"):  # click met the broken pipe first
            return _PIPE
        return leaving.code if isinstance(leaving.code, int) else FAILURE
    except Exception as error:
        if os.environ.get("THALWEG_DEBUG"):
            traceback.print_exc()
        else:
            _say(sentence(error))
        return _code(error)
    return code if isinstance(code, int) else DONE


def sentence(error: Exception) -> str:
    """Say in one sentence what an error means to somebody who did not write this program."""
    if isinstance(error, ThalwegError):
        return " ".join(str(error).split())
    if isinstance(error, click.ClickException):
        place = getattr(error, "ctx", None)
        return f"{place.command_path}: {error.format_message()}" if place else error.format_message()
    reason = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return say("cli.no_memory", reason=reason[:120])
    return say("cli.unforeseen", kind=type(error).__name__, reason=reason[:300], place=_place(error))


def _code(error: Exception) -> int:
    if isinstance(error, ThalwegError | click.ClickException):
        return error.exit_code
    return FAILURE


def _place(error: Exception) -> str:
    """Name the line at which an error arose; the user's own, if it passed through one."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and "thalweg" not in frame.filename]
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        color = False if os.environ.get("NO_COLOR") else None
        click.echo(click.style(say("cli.error"), fg="red", bold=True) + " " + text, err=True, color=color)


def _forget_output() -> None:
    """Send what is still unwritten nowhere, so that the interpreter does not complain when it leaves."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
