"""Ctrl-C and SIGTERM: the first asks for a checkpoint and an end, a second one leaves at once."""

import os
import signal
import types
from collections.abc import Callable
from typing import Self

from thalweg.cli.output import is_live
from thalweg.core import say

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Within the block, turn signals into a wish to stop; afterwards they mean what they meant before.

    What is said goes straight to the descriptor: a handler may come in the middle of a write, where buffers
    are not to be touched. On a terminal it stands on the display's last line until the next draw.
    """

    def __init__(self, stop: Callable[[], None], *, run: str, quiet: bool) -> None:
        self._stop, self._run, self._quiet = stop, run, quiet
        self._before, self._after = ("\r\x1b[2K  ", "") if is_live() else ("", "\n")
        self.received: int | None = None

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._hear) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _hear(self, number: int, frame: types.FrameType | None) -> None:
        if self.received is not None:
            os.write(2, f"{self._before}{say('cli.left_at_once', run=self._run)}\n".encode())
            os._exit(128 + number)
        self.received = number
        self._stop()
        if not self._quiet:
            os.write(2, f"{self._before}{say('cli.stopping')}{self._after}".encode())
