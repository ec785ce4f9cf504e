"""Opening what a user names: paths that exist, and readers whose complaints become one sentence."""

import contextlib
import difflib
import warnings
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from thalweg.core import DataError, ThalwegError

# A panic in polars' Rust code is not an Exception, though it is nothing but a file that it cannot read.
_COMPLAINTS = (Exception, pl.exceptions.PanicException)


def existing_file(name: str | Path) -> Path:
    """Return the path of a file. Raises `DataError` if there is none, or nothing in it."""
    path = existing(name)
    if path.is_dir():
        raise DataError("this is a folder, not a file.", file=name)
    if not path.stat().st_size:
        raise DataError("the file is empty.", file=name)
    return path


def existing(name: str | Path) -> Path:
    """Return the path of a file or folder. Raises `DataError` with the nearest name if there is none."""
    path = Path(name)
    if is_there(path):
        return path.expanduser()
    with reading(name, "a path"):
        beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    if close:
        raise DataError(f"there is no such file; did you mean {str(path.parent / close[0])!r}?", file=name)
    where = "" if path.parent.is_dir() else f", nor a folder {str(path.parent)!r}"
    raise DataError(f"there is no such file{where}; check the path.", file=name)


def is_there(path: Path) -> bool:
    """Tell whether there is something under a path; a name that no file can have is an error of its own."""
    with reading(path, "a path"):
        return path.expanduser().exists()


@contextlib.contextmanager
def reading(name: object, what: str) -> Iterator[None]:
    """Turn whatever a library says about a file into one sentence; stands around its call alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ThalwegError:
        raise
    except _COMPLAINTS as error:
        if isinstance(error, OSError) and error.strerror:
            raise DataError(f"it cannot be read: {error.strerror.lower()}.", file=name) from error
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise DataError(
            f"it cannot be read as {what}; it is damaged, cut short or something else ({reason[:160]}).",
            file=name,
        ) from error
