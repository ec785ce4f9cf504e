"""A run on disk: a folder in which everything can be read without the program that wrote it.

recipe.toml (resolved) · trace.sqlite · checkpoints/last.safetensors · preparation.safetensors (what turns new data into
the model's inputs) · data.npz where the data came from memory · report.html. Nothing is ever unpickled.
"""

import dataclasses
import fcntl
from pathlib import Path
from typing import Any

import torch
from torch import nn

from thalweg.core import RunError, StorageError, make_folder, storage_errors
from thalweg.data import Preparation
from thalweg.model import Built, Model, build_seeded
from thalweg.signals import Trace
from thalweg.train import checkpoint
from thalweg.train.recipe import Recipe
from thalweg.train.recipe_file import MadeInPython, read_recipe, read_toml
from thalweg.train.state import weights_of


@dataclasses.dataclass(frozen=True)
class Folder:
    """Name the files of a run, and read them. Raises `RunError` in one sentence for what is missing or damaged."""

    path: Path

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.toml"

    @property
    def trace_file(self) -> Path:
        return self.path / "trace.sqlite"

    @property
    def last_checkpoint(self) -> Path:
        return self.path / "checkpoints" / "last.safetensors"

    @property
    def preparation_file(self) -> Path:
        return self.path / "preparation.safetensors"

    def exists(self) -> bool:
        return self.recipe_file.is_file()

    def must_exist(self) -> None:
        if not self.exists():
            raise RunError(f"{self.path} is no run: it has no recipe.toml. `thalweg runs ls` lists the runs there are.")

    def recipe(self) -> Recipe:
        self.must_exist()
        return read_recipe(self.recipe_file)

    def made_with(self) -> dict[str, str]:
        """Return the versions the run was made with, and the fingerprint of its data."""
        self.must_exist()
        found: dict[str, str] = read_toml(self.recipe_file).get("made_with", {})
        return found

    def trace(self) -> Trace:
        self.must_exist()
        return Trace(self.trace_file)

    def preparation(self) -> Preparation:
        self.must_exist()
        return Preparation.load(self.preparation_file)

    def module(self, built: Model | None = None) -> nn.Module:
        """Build the run's network with the weights it is to be used with, in evaluation mode, on the CPU.

        `built` is needed where the model came from Python and so cannot be built from the recipe.
        """
        preparation, model = self.preparation(), built or self.recipe().model
        if model is None:
            raise RunError(f"{self.recipe_file} names no model; the run was stopped before it was resolved.")
        if isinstance(model, Built) and isinstance(model.module, MadeInPython):
            raise RunError(f"The network of {self.path} was made in Python; open it with tw.Run(path, model=...).")
        module = build_seeded(model, preparation.input_shape, preparation.num_outputs, 0)
        weights = checkpoint.final_weights(self.last_checkpoint)
        own = weights_of(module)
        if set(own) != set(weights) or any(own[name].shape != weights[name].shape for name in own):
            raise RunError(f"{self.last_checkpoint} belongs to another model than {self.recipe_file} describes.")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(weights[name])
        return module.eval()

    def lock(self) -> Any:
        """Hold the run for writing until the returned file is closed. Raises `RunError` if another process holds it."""
        with storage_errors(self.path):
            file = (self.path / ".lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise RunError(f"{self.path} is being trained by another process; wait for it or stop it first.") from None
        return file


def new_folder(where: Path, stem: str) -> Folder:
    """Create the next free folder `where/stem-1`, `where/stem-2`, ..."""
    make_folder(where)
    taken = [
        int(p.name.removeprefix(f"{stem}-"))
        for p in where.glob(f"{stem}-*")
        if p.name.removeprefix(f"{stem}-").isdigit()
    ]
    number = max(taken, default=0) + 1
    while True:
        folder = where / f"{stem}-{number}"
        try:
            with storage_errors(folder):
                folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        except StorageError:
            raise
        return Folder(folder)
