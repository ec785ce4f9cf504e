"""One door for data: a name, a path, arrays or a data frame."""

from collections.abc import Callable
from pathlib import Path

from thalweg.core import DataError, UnknownName, UsageError
from thalweg.data.base import Source
from thalweg.data.frames import is_frame
from thalweg.data.reading import existing, is_there
from thalweg.data.sources import SOURCES, ArrayFile, Arrays, Frame, Idx, ImageFolder, Table, Text

_READERS: dict[str, Callable[[str, str | None], Source]] = {
    **dict.fromkeys((".csv", ".tsv", ".tab", ".parquet", ".pq"), lambda path, target: Table(path=path, target=target)),
    **dict.fromkeys((".npz", ".npy"), lambda path, target: ArrayFile(path=path, target=target)),
    **dict.fromkeys((".txt", ".md"), lambda path, target: Text(paths=(path,))),
}
_PICKLED = (".pkl", ".pickle", ".pt", ".pth", ".joblib")


def open_source(what: object, *, target: str | None = None) -> Source:
    """Return the source that `what` means: itself, a name of the catalogue, a path, (X, y), or a data frame.

    Raises `UnknownName` for a name, `DataError` for a path that does not exist, `UsageError` for anything
    else.
    """
    if isinstance(what, Source):
        return what
    if isinstance(what, str | Path):
        return _open_path(str(what), target)
    if is_frame(what):
        return Frame(frame=what, target=target)
    if isinstance(what, tuple | list) and what and all(isinstance(item, str | Path) for item in what):
        return Text(paths=tuple(map(str, what)))
    if isinstance(what, tuple | list) and len(what) == 2:
        return Arrays(X=what[0], y=what[1])
    cure = "give a name such as 'digits', a path, a pair (X, y) or a data frame"
    raise UsageError(f"`open_source(what)` must be data, got {type(what).__name__}; {cure}.")


def _open_path(name: str, target: str | None) -> Source:
    if name in SOURCES:
        return _built_in(name, target)
    path = Path(name).expanduser()
    ending = _ending(path)
    if not path.suffix and len(path.parts) == 1 and not is_there(path):
        raise UnknownName("source", name, _built_in_names())
    existing(name)
    if ending in _PICKLED:
        raise UsageError(f"{name} is a pickle, which could run code when it is read; save the data as .npz or .csv.")
    if path.is_dir():
        return _open_folder(path, name)
    if ending in _READERS:
        return _READERS[ending](name, target)
    if "idx" in path.name or "ubyte" in path.name:
        return Idx(path=name, labels=target)
    known = "csv, tsv, parquet, npz, npy, idx, txt, or a folder of images"
    raise DataError(f"files ending in {ending!r} are not known; save the data as {known}.", file=name)


def _ending(path: Path) -> str:
    return (Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix).lower()


def _open_folder(path: Path, name: str) -> Source:
    files = [inner.name for inner in path.iterdir() if inner.is_file()]
    if any("images" in file and "idx" in file for file in files):
        return Idx(path=name)
    texts = sorted(file for file in files if file.endswith(".txt"))
    if texts and not any(inner.is_dir() for inner in path.iterdir()):
        return Text(paths=tuple(str(path / file) for file in texts))
    return ImageFolder(path=name)


def _built_in(name: str, target: str | None) -> Source:
    if name not in _built_in_names():
        raise UsageError(f"the source {name!r} needs data of yours; give the path of a file or a folder.")
    if target is not None:
        raise UsageError(f"the set {name!r} has its own target, got target={target!r}; leave it away.")
    return SOURCES[name]()


def _built_in_names() -> list[str]:
    return [name for name, source in SOURCES.items() if not source.content]
