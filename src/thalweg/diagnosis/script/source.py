"""The program that is to be run: a file, or a module as `python -m` finds it."""

import dataclasses
import importlib.util
import os
import types
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

from thalweg.core import UsageError


class NoProgram(UsageError):
    """Say that there is nothing that could be run."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """Hold what Python needs to know of a program before it runs: its first argument and where its imports look first.

    `file` is that of a script; None for a module, which is looked for when it runs, since that imports its package.
    """

    argv: str
    folder: str
    file: str | None = None

    def load(self) -> tuple[types.CodeType, dict[str, Any]]:
        """Return the code and the names that its main module starts with. Raises `SyntaxError` as Python would."""
        if self.file is None:
            return _module(self.argv)
        code = compile(Path(self.file).read_bytes(), self.file, "exec", dont_inherit=True)
        return code, {"__file__": self.file, "__loader__": SourceFileLoader("__main__", self.file), "__spec__": None}


def find_program(name: str | Path, *, as_module: bool = False) -> Program:
    """Find a script, or a module. Raises `NoProgram` with the cure where there is nothing that could be run."""
    if as_module:
        return Program(argv=str(name), folder=os.getcwd())
    path = Path(name)
    if path.is_dir():
        raise NoProgram(
            f"`thalweg diagnose` needs a Python script or a run, got the folder {str(name)!r}; "
            "give the file that trains."
        )
    if not path.is_file():
        raise NoProgram(f"`thalweg diagnose` needs a script that exists, got {str(name)!r}; check the path.")
    if path.suffix == ".ipynb":
        raise NoProgram(
            f"`thalweg diagnose` runs scripts, got the notebook {str(name)!r}; "
            "make a script of it: jupyter nbconvert --to script."
        )
    if b"\0" in path.read_bytes():
        raise NoProgram(
            f"`thalweg diagnose` needs Python source, got {str(name)!r}, which is binary; give the file that trains."
        )
    return Program(argv=str(name), folder=os.path.dirname(os.path.realpath(name)), file=os.path.abspath(name))


def _module(name: str) -> tuple[types.CodeType, dict[str, Any]]:
    spec = _spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = _spec(f"{name}.__main__")
    loader: Any = spec.loader if spec is not None else None
    code = loader.get_code(spec.name) if spec is not None and hasattr(loader, "get_code") else None
    if spec is None or code is None:
        raise NoProgram(
            f"`thalweg diagnose -m` needs a module that can be run, got {name!r}; "
            "check its name and the folder you are in."
        )
    return code, {
        "__file__": spec.origin,
        "__cached__": spec.cached,
        "__loader__": loader,
        "__package__": spec.parent,
        "__spec__": spec,
    }


def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError) as error:
        if isinstance(error, ModuleNotFoundError) and not name.startswith(error.name or "?"):
            raise  # the package was found, and imports something that is missing
        return None
