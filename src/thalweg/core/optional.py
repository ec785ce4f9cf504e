"""Packages we can do without."""

import importlib
from typing import Any

from thalweg.core.errors import MissingPackage


def optional(package: str, *, extra: str, purpose: str) -> Any:
    """Import an optional package, or raise `MissingPackage` with the command that installs it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingPackage(package, extra, purpose) from error
