"""One door for data: a name, a path, arrays or a data frame."""

import dataclasses
from pathlib import Path
from typing import Any

from thalweg.core import UnknownName, UsageError
from thalweg.data.base import Source
from thalweg.data.sources import SOURCES, Arrays


def open_source(what: object, *, target: str | None = None) -> Source:
    """Return the source that `what` means: itself, a name of the catalogue, a path, (X, y), or a data frame."""
    if isinstance(what, Source):
        return what
    if isinstance(what, str) and what in SOURCES:
        return SOURCES[what]()
    if isinstance(what, tuple) and len(what) == 2:
        return Arrays(X=what[0], y=what[1])
    raise UnknownName("source", what, SOURCES)
