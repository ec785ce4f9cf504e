"""Where answers go: results to stdout, everything else to stderr, records as JSON to either or to a file."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from thalweg.core import write_atomically

SCHEMA = 1


def note(text: str, *, quiet: bool = False, dim: bool = False) -> None:
    """Say something on stderr that is not the result."""
    if not quiet:
        click.echo(click.style(text, dim=True) if dim else text, err=True, color=_color())


def answer(text: str) -> None:
    """Write a result to stdout."""
    click.echo(text, color=_color())


def write_record(kind: str, content: dict[str, Any], *, to: str) -> None:
    """Write one documented record as JSON: to stdout if `to` is "-", else to that file."""
    text = json.dumps(_plain({"schema": SCHEMA, "kind": kind, **content}), ensure_ascii=False, indent=2)
    if to == "-":
        click.echo(text, color=False)
    else:
        write_atomically(Path(to), text + "\n")


def is_live() -> bool:
    """Return whether stderr is a terminal on which a display can move."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


@contextlib.contextmanager
def waiting(text: str, *, quiet: bool = False) -> Iterator[None]:
    """Say on a terminal that something takes a moment; the line is gone when it is done."""
    live = is_live() and not quiet
    if live:
        sys.stderr.write(f"  {text} ...")
        sys.stderr.flush()
    try:
        yield
    finally:
        if live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()


def _color() -> bool | None:
    return False if os.environ.get("NO_COLOR") else None


def _plain(value: Any) -> Any:
    """Make a value fit for JSON, which knows neither NaN nor infinity."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
