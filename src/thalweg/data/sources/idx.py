"""The IDX files in which MNIST and its successors ship, plain or gzipped (LeCun, Cortes and Burges 1998)."""

import dataclasses
import gzip
import math
from pathlib import Path
from typing import ClassVar, final

import numpy as np

from thalweg.core import DataError, message
from thalweg.data.base import Dataset, OwnData, RawInputs
from thalweg.data.reading import existing, existing_file, reading
from thalweg.data.sources.array_data import dataset_of, shape_inputs

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Idx(OwnData):
    """Give the images of an IDX file, or of a folder with one, and the labels beside it by MNIST's naming."""

    name: ClassVar[str] = "idx"
    content: ClassVar[tuple[str, ...]] = ("path", "labels")
    path: str
    labels: str | None = None
    task: str | None = "classification"
    class_names: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "image"

    def load(self) -> Dataset:
        images = _images(self.path)
        labels = existing_file(self.labels) if self.labels else _labels(images)
        x, y = read_idx(images), read_idx(labels)
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise DataError(f"labels must be whole numbers in one row, but they have shape {y.shape}.", file=labels)
        dataset = dataset_of(_as_images(x, images), np.asarray(y).astype(np.int64), source=self, origin=str(images))
        said = () if self.labels else (message("data.targets_beside", path=str(labels)),)
        return dataclasses.replace(dataset, said=(*said, *dataset.said))

    def load_inputs(self) -> RawInputs:
        path = _images(self.path)
        return RawInputs(values=shape_inputs(_as_images(read_idx(path), path), "image")[0], file=str(path))


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file; a plain one stays memory-mapped. Raises `DataError` if it is damaged."""
    zipped = path.suffix.lower() == ".gz"
    with reading(path, "gzip" if zipped else "IDX"):
        content = gzip.decompress(path.read_bytes()) if zipped else b""
        head = content[:1028] if zipped else path.open("rb").read(1028)
        size = len(content) if zipped else path.stat().st_size
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not head[3] or len(head) < 4 + 4 * head[3]:
        raise DataError("it does not start as an IDX file does; is it another format?", file=path)
    offset = 4 + 4 * head[3]
    shape = tuple(int.from_bytes(head[left : left + 4], "big") for left in range(4, offset, 4))
    dtype = np.dtype(_TYPES[head[2]])
    wanted = offset + math.prod(shape) * dtype.itemsize
    if size != wanted:
        raise DataError(f"it has {size} bytes, its header promises {wanted}; it is cut short or damaged.", file=path)
    if 0 in shape:
        raise DataError(f"it holds nothing, its shape is {shape}.", file=path)
    with reading(path, "IDX"):
        if zipped:
            return np.frombuffer(content, dtype, offset=offset).reshape(shape)
        return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)


def _images(name: str) -> Path:
    path = existing(name)
    if path.is_file():
        return existing_file(name)
    found = sorted(inner for inner in path.iterdir() if "images" in inner.name and "idx" in inner.name)
    if not found:
        raise DataError("the folder holds no file like train-images-idx3-ubyte.", file=name)
    return next((inner for inner in found if inner.name.startswith("train")), found[0])


def _labels(images: Path) -> Path:
    plain = images.name.removesuffix(".gz").replace("images", "labels")
    names = [plain.replace("idx3", "idx1") + ending for ending in ("", ".gz")]
    for name in names:
        if name != images.name and images.with_name(name).is_file():
            return images.with_name(name)
    raise DataError(f"there is no {names[0]} beside it; name the labels with labels=....", file=images)


def _as_images(x: np.ndarray, path: Path) -> np.ndarray:
    if x.ndim not in (3, 4):
        raise DataError(f"images have three or four axes, but its shape is {x.shape}; is it the labels?", file=path)
    return x
