"""A folder of images, one folder below it a class."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, ClassVar, final

import numpy as np
from PIL import Image

from thalweg.core import DataError, Knob, message
from thalweg.data.base import Dataset, OwnData, RawInputs
from thalweg.data.reading import existing, reading

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_GREY = ("1", "L", "LA", "I", "I;16", "I;16B", "F")


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ImageFolder(OwnData):
    """Give the images below a folder as (N, C, H, W) bytes: grey if all are, else red, green and blue."""

    name: ClassVar[str] = "image_folder"
    content: ClassVar[tuple[str, ...]] = ("path",)
    path: str
    size: Annotated[
        int | None, Knob("side to which images are resized; without it they must agree", "[1, 4096]", 8, 224)
    ] = None

    def load(self) -> Dataset:
        folder = _folder(self.path)
        classes = sorted(inner.name for inner in folder.iterdir() if inner.is_dir() and _images_in(inner))
        if len(classes) < 2:
            cure = "put the images of each class into a folder of its own"
            raise DataError(f"it holds {len(classes)} folders of images, two are needed; {cure}.", file=self.path)
        files = [(image, code) for code, name in enumerate(classes) for image in _images_in(folder / name)]
        ignored = sum(1 for inner in folder.rglob("*") if inner.is_file()) - len(files)
        return Dataset(
            inputs=_stack([image for image, _ in files], self.size),
            targets=np.array([code for _, code in files], dtype=np.int64),
            task="classification",
            kind="image",
            class_names=tuple(classes),
            target_names=("class",),
            full_scale=255.0,
            said=(message("data.ignored_files", count=ignored),) if ignored else (),
            origin=self.path,
        )

    def load_inputs(self) -> RawInputs:
        folder = _folder(self.path)
        files = sorted(image for image in folder.rglob("*") if _is_image(image))
        if not files:
            raise DataError(f"there is no image below it ({', '.join(_SUFFIXES)}).", file=self.path)
        return RawInputs(values=_stack(files, self.size), file=self.path)


def _folder(name: str) -> Path:
    path = existing(name)
    if not path.is_dir():
        raise DataError("this is a file, not a folder of images.", file=name)
    return path


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and path.is_file() and not path.name.startswith(".")


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _is_image(path))


def _stack(files: list[Path], size: int | None) -> np.ndarray:
    pictures: list[np.ndarray] = []
    for file in files:
        picture = _read(file, size)
        if pictures and picture.shape[:2] != pictures[0].shape[:2]:
            sizes = [f"{shape[1]} x {shape[0]}" for shape in (picture.shape, pictures[0].shape)]
            cure = "make them equal, or give ImageFolder(size=...)"
            raise DataError(f"the image is {sizes[0]}, but {files[0]} is {sizes[1]}; {cure}.", file=file)
        pictures.append(picture)
    if any(picture.ndim == 3 for picture in pictures):
        pictures = [p if p.ndim == 3 else np.repeat(p[:, :, None], 3, axis=2) for p in pictures]
        return np.ascontiguousarray(np.moveaxis(np.stack(pictures), 3, 1))
    return np.stack(pictures)[:, None]


def _read(file: Path, size: int | None) -> np.ndarray:
    """Return bytes, (H, W) for a grey image and (H, W, 3) for a coloured one."""
    with reading(file, "an image"), Image.open(file) as opened:
        image: Any = _eight_bits(opened) if opened.mode in _GREY else opened.convert("RGB")
        if size:
            image = image.resize((size, size))
        return np.asarray(image)


def _eight_bits(image: Any) -> Any:
    if image.mode in ("I;16", "I;16B", "I"):  # 16 bits, which convert("L") would cut off at 255
        deep = np.asarray(image).astype(np.float64)
        return Image.fromarray((deep.clip(0, 65535) / 257).astype(np.uint8))
    return image.convert("L")
