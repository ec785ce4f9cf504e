"""Keeps our own work apart from the script's: what goes wrong in it is written down and goes no further."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from thalweg.diagnosis.watching.recorder import Recorder
from thalweg.diagnosis.watching.records import Case

_FAULTS = 8  # that are named


class Fence:
    """Let our own work in, one piece at a time, in the process and thread that is watched."""

    def __init__(self, case: Case, *, on: bool) -> None:
        self.case, self.on = case, on
        self.busy = False
        self.recorder: Recorder | None = None  # of the look in progress: it must not see what we do
        self._process, self._thread = os.getpid(), threading.get_ident()

    @property
    def shut(self) -> bool:
        """Return whether what happens now is not to be noted: it is ours, another thread's or another process's."""
        return self.busy or not self.on or self._process != os.getpid() or self._thread != threading.get_ident()

    def safely(self, note: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Call one of ours, if this is the time and place."""
        if not self.shut:
            with self.ours():
                note(*args, **kwargs)

    @contextlib.contextmanager
    def ours(self) -> Iterator[None]:
        """Do our own work: no look sees it, its time is counted, and its faults end here."""
        recorder, begun = self.recorder, time.perf_counter()
        self.busy = True
        if recorder is not None:
            recorder.paused += 1
        try:
            yield
        except Exception as error:
            self.fault(error)
        finally:
            if recorder is not None:
                recorder.paused -= 1
            self.busy = False
            self.case.watched += time.perf_counter() - begun

    def fault(self, error: Exception) -> None:
        """Write down what went wrong in our own work."""
        if len(self.case.faults) < _FAULTS:
            frame = error.__traceback__
            while frame is not None and frame.tb_next is not None:
                frame = frame.tb_next
            line = f"{os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else "?"
            self.case.faults.append(f"{line}: {type(error).__name__}: {error}")
