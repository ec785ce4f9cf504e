"""Sources: where examples come from, and the dataset that a source gives, as it comes, with nothing fitted.

To add a source, write one file below `sources/` with a final frozen dataclass under `Source` (under `OwnData`
if it reads what the user brought), and one import line in `sources/__init__.py`.
Axis letters: N examples, D features, C channels, L positions, T targets.
"""

import dataclasses
from abc import abstractmethod
from typing import ClassVar

import numpy as np
import polars as pl

from thalweg.core import Component, DataError, Message
from thalweg.data.fingerprint import fingerprint_of

TASKS = ("classification", "regression", "language")
KINDS = ("table", "points", "image", "sequence", "tokens")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """Hold examples as they come; nothing is scaled, imputed or encoded yet."""

    inputs: np.ndarray | pl.DataFrame
    """(N, ...) numbers, perhaps memory-mapped; raw columns of a table; (N,) int64 tokens for language."""
    targets: np.ndarray
    """(N,) int64 classes; (N,) or (N, T) float64 values; the tokens themselves for language."""
    task: str
    kind: str
    feature_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    full_scale: float = 1.0
    """What the inputs are divided by before anything is fitted: 255 for images of bytes."""
    window: int = 0
    stride: int = 0
    said: tuple[Message, ...] = ()
    """What was inferred or guessed on the way."""
    origin: str = ""
    """The file or the name that errors speak of."""

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets):
            counts = f"{len(self.inputs)} inputs but {len(self.targets)} targets"
            raise DataError(f"{counts}; each example needs one of each.", file=self.origin or None)
        if not len(self.inputs):
            raise DataError("there is not a single example in it.", file=self.origin or None)

    def __len__(self) -> int:
        return len(self.inputs)


class Source(Component):
    """Say where examples come from; loading is the only thing that touches disk."""

    __slots__ = ()
    content: ClassVar[tuple[str, ...]] = ()
    """Fields that name files or hold arrays: what lies behind them matters, beyond their value."""

    @abstractmethod
    def load(self) -> Dataset:
        """Read or make the examples. Raises `DataError` if they cannot be learnt from."""

    def fingerprint(self) -> str:
        """Return 16 digits that change with the content of files or arrays; "" where there is none."""
        return fingerprint_of([getattr(self, field) for field in self.content])


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RawInputs:
    """Hold inputs read for prediction, and what errors need to point into the file."""

    values: np.ndarray | pl.DataFrame | str
    file: str = ""
    first_row: int = 0
    """Number of the first example's row: 2 in a file with a header, as a spreadsheet counts."""
    last_may_be_target: bool = False
    """Whether an array may have the targets in its last column."""


class OwnData(Source):
    """Be a source of what the user brought, which can also be read for prediction, without targets."""

    __slots__ = ()

    @abstractmethod
    def load_inputs(self) -> RawInputs:
        """Read the inputs alone; targets may be absent."""
