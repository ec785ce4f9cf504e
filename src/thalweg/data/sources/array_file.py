"""Arrays in NumPy's files. Nothing is unpickled; an .npy stays in its file until it is needed."""

import dataclasses
import zipfile
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from thalweg.core import DataError, Message, UnknownName, message
from thalweg.data.base import Dataset, OwnData, RawInputs
from thalweg.data.reading import existing_file, reading
from thalweg.data.sources.array_data import check_choices, dataset_of, read_inputs

_INPUT_KEYS = ("X", "x", "inputs", "data", "images", "features", "x_train", "X_train", "train_x", "arr_0")
_TARGET_KEYS = ("y", "Y", "targets", "target", "labels", "label", "y_train", "Y_train", "train_y", "arr_1")
_PAIRS = (
    ("X", "y"),
    ("x", "y"),
    ("inputs", "targets"),
    ("images", "labels"),
    ("features", "labels"),
    ("data", "labels"),
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ArrayFile(OwnData):
    """Give the arrays of an .npz, or of an .npy with its targets beside it or in its last column."""

    name: ClassVar[str] = "array_file"
    content: ClassVar[tuple[str, ...]] = ("path",)
    path: str
    inputs: str | None = None
    """Name of the array of inputs in an .npz."""
    target: str | None = None
    """Name of the array of targets in an .npz; path of the targets of an .npy."""
    task: str | None = None
    kind: str | None = None
    class_names: tuple[str, ...] = ()

    def check(self) -> None:
        check_choices("ArrayFile", task=self.task, kind=self.kind)

    def load(self) -> Dataset:
        x, y, said = self._read_npz() if _is_npz(self.path) else self._read_npy()
        if y is None:
            cure = "name it with target=..."
            raise DataError(f"there are no targets in it or beside it; {cure}.", file=self.path)
        dataset = dataset_of(x, y, source=self, origin=self.path)
        return dataclasses.replace(dataset, said=(*said, *dataset.said))

    def load_inputs(self) -> RawInputs:
        if _is_npz(self.path):
            return RawInputs(values=self._read_npz()[0], file=self.path)
        values = _numbers(_load(self.path), self.path)
        return RawInputs(values=values, file=self.path, last_may_be_target=True)

    def _read_npz(self) -> tuple[np.ndarray, np.ndarray | None, tuple[Message, ...]]:
        path = existing_file(self.path)
        with reading(self.path, "NPZ"), zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            key, target = self._keys(names)
            x = _numbers(_member(archive, key, self.path), self.path)
            y = None if target is None else _member(archive, target, self.path)
        said = () if self.inputs and self.target else (message("data.keys", inputs=key, target=target or "-"),)
        return x, y, said

    def _keys(self, names: list[str]) -> tuple[str, str | None]:
        """Find the arrays of inputs and targets by the names that are usual, or by those asked for."""
        key = _key(self.inputs, _INPUT_KEYS, names, self.path)
        target = _key(self.target, _TARGET_KEYS, [name for name in names if name != key], self.path)
        if key is None and target is not None and len(names) == 2:
            key = next(name for name in names if name != target)
        if key is None:
            found = ", ".join(names[:10]) or "nothing"
            cure = 'name one, as in inputs="data"'
            raise DataError(f"none of its arrays is called X: {found}; {cure}.", file=self.path)
        return key, target

    def _read_npy(self) -> tuple[np.ndarray, np.ndarray | None, tuple[Message, ...]]:
        x = _numbers(_load(self.path), self.path)
        beside = self.target or _beside(Path(self.path))
        if beside:
            said = () if self.target else (message("data.targets_beside", path=str(beside)),)
            return x, np.asarray(_load(str(beside))), said
        if x.ndim == 2 and x.shape[1] > 1:
            return (
                x[:, :-1],
                np.asarray(x[:, -1]),
                (message("data.target_last_column", count=x.shape[1] - 1),),
            )
        return x, None, ()


def _is_npz(name: str) -> bool:
    return Path(name).suffix.lower() == ".npz"


def _load(name: str) -> np.ndarray:
    """Open an .npy memory-mapped; objects are refused."""
    path = existing_file(name)
    try:
        with reading(name, "NPY"):
            return np.lib.format.open_memmap(path, mode="r")
    except DataError as error:
        raise _without_pickle(error, name) from error.__cause__


def _member(archive: zipfile.ZipFile, key: str, name: str) -> np.ndarray:
    try:
        with reading(name, "NPZ"), archive.open(f"{key}.npy") as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
            return array
    except DataError as error:
        raise _without_pickle(error, name) from error.__cause__


def _without_pickle(error: DataError, name: str) -> DataError:
    cause = str(error.__cause__).lower()
    if not any(word in cause for word in ("pickle", "object array", "python objects")):
        return error
    cure = "save numbers or words, for example array.astype(float)"
    return DataError(f"it holds Python objects, which are never loaded because they could run code; {cure}.", file=name)


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    inputs = read_inputs(array, "the array", file=name)
    assert isinstance(inputs, np.ndarray)  # an array gives an array
    return inputs


def _key(asked: str | None, usual: tuple[str, ...], names: list[str], file: str) -> str | None:
    if asked is None:
        return next((name for name in usual if name in names), None)
    if asked not in names:
        raise DataError(str(UnknownName("array", asked, names)), file=file)
    return asked


def _beside(path: Path) -> Path | None:
    for inputs, targets in _PAIRS:
        if path.stem.endswith(inputs) or path.stem.startswith(inputs):
            other = path.with_name(path.stem.replace(inputs, targets) + path.suffix)
            if other.exists() and other != path:
                return other
    return None
