"""Keeps what measuring costs under its share of the time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Governor:
    """Allow a measurement when what was spent so far, and this one more, stays under `share` of the time trained.

    The first is always allowed, so that the state before training is on record.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.spent = 0.0
        self.count = 0
        self._last = 0.0

    def allows(self, trained: float) -> bool:
        """Return whether to measure now, after `trained` seconds."""
        return not self.count or self.spent + self._last < self.share * trained

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Count the time of the block as measuring."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._last = time.perf_counter() - start
            self.spent += self._last
            self.count += 1
