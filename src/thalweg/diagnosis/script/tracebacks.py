"""Tracebacks as if we were not there: frames of the watch are left out, wherever a traceback is shown."""

import contextlib
import functools
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

_OURS = str(Path(__file__).parents[1])  # of `thalweg.diagnosis` alone: a script may well use the rest of thalweg
_ASKING = str(Path("torch", "overrides.py"))


def show(error: BaseException) -> None:
    """Show what ended a script as Python does: by `sys.excepthook`, which may be the script's own."""
    _strip(error, set())
    if isinstance(error, SyntaxError) and error.__traceback__ is None:
        error.__context__ = None
    for hook in (sys.excepthook, sys.__excepthook__):
        try:
            hook(type(error), error, error.__traceback__)
            break
        except Exception as other:
            _strip(other, set())
            other.__context__ = None
            sys.stderr.write("Error in sys.excepthook:\n")
            sys.__excepthook__(type(other), other, other.__traceback__)
            sys.stderr.write("\nOriginal exception was:\n")


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Keep our frames out of what the script itself prints or logs of an exception."""
    original = traceback.TracebackException.__init__

    @functools.wraps(original)
    def __init__(told: traceback.TracebackException, *args: Any, **kwargs: Any) -> None:
        original(told, *args, **kwargs)
        stack = getattr(told, "stack", None) or []
        kept = _kept([(frame.filename, frame.name) for frame in stack])
        if len(kept) < len(stack):
            stack[:] = [stack[k] for k in kept]

    traceback.TracebackException.__init__ = __init__  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        traceback.TracebackException.__init__ = original  # type: ignore[method-assign]


def _strip(error: BaseException | None, seen: set[int]) -> None:
    """Take our frames out of an exception and of those that it came from."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    error.__traceback__ = _without_ours(error.__traceback__)
    _strip(error.__cause__, seen)
    _strip(error.__context__, seen)
    for part in getattr(error, "exceptions", ()):
        _strip(part, seen)


def _without_ours(trail: TracebackType | None) -> TracebackType | None:
    trails: list[TracebackType] = []
    while trail is not None:
        trails.append(trail)
        trail = trail.tb_next
    codes = [one.tb_frame.f_code for one in trails]
    kept = [trails[k] for k in _kept([(code.co_filename, code.co_name) for code in codes])]
    for place, one in enumerate(kept):
        one.tb_next = kept[place + 1] if place + 1 < len(kept) else None
    return kept[0] if kept else None


def _kept(frames: Sequence[tuple[str, str]]) -> list[int]:
    """Return which frames (file, function) would be there without us.

    Where torch asks us on the way into one of its functions, it enters that function twice: the first time for us.
    """
    gone = {k for k, (file, _) in enumerate(frames) if file.startswith(_OURS)}
    for first in [k for k in gone if k and k - 1 not in gone and frames[k - 1][0].endswith(_ASKING)]:
        gone.add(first - 1)
        last = next((k for k in range(first, len(frames)) if k not in gone), None)
        if last is not None and first > 1 and frames[first - 2] == frames[last]:
            gone.add(first - 2)
    return [k for k in range(len(frames)) if k not in gone]
