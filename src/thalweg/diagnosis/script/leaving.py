"""The ways out of a process that run nothing after them: `os._exit`, SIGTERM; and the one by the clock."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from thalweg.diagnosis.script.running import Ending, OutOfTime

_GRACE = 1.0  # seconds after which an optimizer's step has had its chance to end the script, and between two tries


@contextlib.contextmanager
def told(
    tell: Callable[[Ending], int], *, child: Callable[[], None], max_seconds: float | None = None
) -> Iterator[None]:
    """Within the block, call `tell` before the process leaves for good, with the exit code that it returns.

    In a forked process `child` is called instead, and the exit code stays. SIGTERM is heard where the script sets no
    handler of its own. After `max_seconds` the script is ended where it stands.
    """
    process, leave = os.getpid(), os._exit

    def _exit(status: int) -> None:
        os._exit = leave
        if os.getpid() != process:
            child()
        elif threading.current_thread() is threading.main_thread():
            status = tell(Ending(code=status))
        leave(status)

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != process:
            os.kill(os.getpid(), number)
        leave(tell(Ending(code=128 + number, signal=number)))

    os._exit = _exit  # type: ignore[assignment]
    try:
        with _handled(signal.SIGTERM, terminate), _clock(max_seconds):
            yield
    finally:
        os._exit = leave


def forget_handlers() -> None:
    """Give a forked process the handler of SIGTERM that it would have without us."""
    handler = signal.getsignal(signal.SIGTERM)
    if getattr(handler, "__module__", "") == __name__ and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextlib.contextmanager
def _handled(number: int, handler: Callable[[int, FrameType | None], Any]) -> Iterator[bool]:
    """Set a handler where nothing else than the system's is set, and yield whether that was so."""
    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(number) is signal.SIG_DFL
    if ours:
        signal.signal(number, handler)
    try:
        yield ours
    finally:
        if ours and signal.getsignal(number) is handler:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def _clock(seconds: float | None) -> Iterator[None]:
    """Raise `OutOfTime` in a script that is somewhere else than in its loop when its time is up."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    if seconds is None:
        yield
        return
    with _handled(signal.SIGALRM, ring) as ours:
        signal.setitimer(signal.ITIMER_REAL, seconds + _GRACE if ours else 0, _GRACE)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
