"""The last steps of a run, in a memory-mapped file: a kill loses at most the step under way, for about a microsecond
a step.

The file holds a count and then rows of float64. A row is written first and counted second; memory that is mapped
belongs to the system, not to the process, so a killed process leaves every counted row behind.
"""

import mmap
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from thalweg.core import storage_errors

CAPACITY = 2048  # rows; they move to the database when it is full or a moment has passed
_HEAD = 16


class Journal:
    """Append rows of `width` numbers; read them back after a kill."""

    def __init__(self, path: Path, width: int) -> None:
        self._row = struct.Struct(f"<{width}d")
        self._width = width
        size = _HEAD + CAPACITY * self._row.size
        with storage_errors(path):
            fresh = not path.exists() or path.stat().st_size != size
            self._file = path.open("w+b" if fresh else "r+b")
            if fresh:
                self._file.write(bytes(size))  # real blocks, so that a full disk is met here and not as a signal later
                self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), size)
        counted: int = struct.unpack_from("<q", self._map, 0)[0]
        self.count = counted if 0 <= counted <= CAPACITY else 0

    @property
    def full(self) -> bool:
        return self.count >= CAPACITY

    def append(self, row: tuple[float, ...]) -> None:
        """Write a row; a full journal must be emptied first."""
        self._row.pack_into(self._map, _HEAD + self.count * self._row.size, *row)
        self.count += 1
        struct.pack_into("<q", self._map, 0, self.count)

    def rows(self) -> NDArray[np.float64]:
        """Return the rows written since the journal was last emptied, shape (count, width)."""
        flat = np.frombuffer(self._map, dtype="<f8", count=self.count * self._width, offset=_HEAD)
        return flat.reshape(self.count, self._width).copy()

    def clear(self) -> None:
        self.count = 0
        struct.pack_into("<q", self._map, 0, 0)

    def close(self) -> None:
        self._map.close()
        self._file.close()
