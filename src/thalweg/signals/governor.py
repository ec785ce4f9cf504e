"""Keeps what measuring costs under its share of the time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Governor:
    """Allow a measurement when what was spent so far, and this one more, stays under `share` of the time that passed.

    The first is always allowed, so that the state before training is on record.
    """

    def __init__(self, share: float) -> None:
        self.share = share
        self.spent = 0.0
        self._last = 0.0
        self._begin = time.perf_counter()
        self.count = 0

    def allows(self) -> bool:
        if not self.count:
            return True
        return self.spent + self._last < self.share * (time.perf_counter() - self._begin)

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

    def fraction(self) -> float:
        """Return the share of the time spent measuring until now."""
        return self.spent / max(time.perf_counter() - self._begin, 1e-9)
