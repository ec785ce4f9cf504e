"""A short name for the content of files and arrays, so that a recipe can tell when its data have changed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from thalweg.data.frames import as_frame, is_frame

_WHOLE = 64 << 20  # bytes; above it, reading a file to the end would cost more than it tells
_EDGE = 1 << 20


def fingerprint_of(content: Iterable[Any]) -> str:
    """Digest files (given by path, alone or in tuples) and arrays; "" if there is nothing to digest."""
    digest = hashlib.sha256()
    empty = True
    for item in content:
        for part in item if isinstance(item, tuple | list) and item and isinstance(item[0], str) else [item]:
            if part is not None:
                empty = False
                _digest(digest, part)
    return "" if empty else digest.hexdigest()[:16]


def _digest(digest: Any, part: Any) -> None:
    if not isinstance(part, str | Path):
        part = as_frame(part).rows() if is_frame(part) else part
        array = np.ascontiguousarray(part)
        digest.update(f"{array.dtype.kind}{array.shape}".encode())
        digest.update(repr(array.tolist()).encode() if array.dtype.kind in "OUS" else array.tobytes())
        return
    path = Path(part).expanduser()
    if path.is_dir():
        for inner in sorted(path.rglob("*")):
            if inner.is_file():
                digest.update(str(inner.relative_to(path)).encode())
                _digest_file(digest, inner)
    elif path.is_file():
        _digest_file(digest, path)
    else:
        digest.update(b"missing")


def _digest_file(digest: Any, path: Path) -> None:
    stat = path.stat()
    with path.open("rb") as file:
        if stat.st_size <= _WHOLE:
            digest.update(file.read())
            return
        digest.update(f"{stat.st_size}|{stat.st_mtime_ns}".encode())
        digest.update(file.read(_EDGE))
        file.seek(-_EDGE, 2)
        digest.update(file.read())
