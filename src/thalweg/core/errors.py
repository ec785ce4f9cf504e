"""Every error a user of thalweg can meet.

    ThalwegError                      anything we raise on purpose; the command line ends with its `exit_code`
    ├─ UsageError (ValueError)        a call that cannot be right: names call, law, value and cure
    │   └─ UnknownName                a name that is not in its catalogue; says what was probably meant
    ├─ DataError (ValueError)         data that cannot be learnt from; names file, row and column
    ├─ RunError                       a run folder or checkpoint that is damaged, foreign or of another schema
    ├─ StorageError (OSError)         the disk is full, or may not be written
    └─ MissingPackage (ImportError)   an optional package is not installed; says how to get it

Numerical trouble is not among them: a run that diverges is an `Outcome`, not an exception.
"""

import difflib
from collections.abc import Iterable
from typing import Any


class ThalwegError(Exception):
    """Base of every error that thalweg raises on purpose."""

    exit_code = 2

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.args)  # so that an error can leave a worker process, whatever its arguments


def _rebuilt(kind: type[ThalwegError], args: tuple[Any, ...]) -> ThalwegError:
    error = kind.__new__(kind)
    error.args = args
    return error


class UsageError(ThalwegError, ValueError):
    """Say that a call cannot be right, in the form: the call, the law, the value, the cure."""


class UnknownName(UsageError):
    """Say that `name` is not one of `known`, and which one was probably meant."""

    def __init__(self, what: str, name: object, known: Iterable[str]) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
        shown = names if len(names) <= 40 else [*names[:40], "..."]
        cure = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(shown) or 'none'}."
        super().__init__(f"Unknown {what} {name!r}: {cure}")


class DataError(ThalwegError, ValueError):
    """Say what is wrong with data, and where."""

    def __init__(self, reason: str, *, file: object = None, row: int | None = None, column: object = None) -> None:
        place = [str(file)] if file is not None else []
        if row is not None:
            place.append(f"row {row}")
        if column is not None:
            place.append(f"column {column!r}")
        super().__init__(f"{', '.join(place)}: {reason}" if place else reason)


class RunError(ThalwegError):
    """Say that a run folder or a checkpoint cannot be used, and why."""


class StorageError(ThalwegError, OSError):
    """Say that something could not be written, and where."""


class MissingPackage(ThalwegError, ImportError):
    """Say which optional package is missing and how to install it."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package {package!r}: pip install 'thalweg[{extra}]'.")


def law(call: str, law: str, value: Any, cure: str = "") -> UsageError:
    """Build the one sentence that every wrong argument gets."""
    return UsageError(f"`{call}` {law}, got {value!r}.{' ' + cure if cure else ''}")
