"""Writing files so that a kill at any moment leaves the old file or the new one, never half of one."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from thalweg.core.errors import StorageError

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space, what was recorded so far is kept",
    errno.EDQUOT: "the disk quota is used up; free some space, what was recorded so far is kept",
    errno.EFBIG: "a file may not grow that large there (ulimit -f); what was recorded so far is kept",
    errno.EACCES: "there is no permission to write there; choose another place with --out",
    errno.EPERM: "there is no permission to write there; choose another place with --out",
    errno.ENOENT: "its folder does not exist and cannot be made; choose another place with --out",
    errno.EROFS: "the file system is read-only; choose another place with --out",
    errno.ENOTDIR: "a part of this path is a file, not a folder; choose another place with --out",
}


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what the system says about a path that cannot be written into one clear sentence."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in _REASONS:
            raise StorageError(f"{path} could not be written: {_REASONS[error.errno]}.") from error
        raise


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replace a file as a whole: written beside it, flushed to disk, renamed over it."""
    data = content.encode() if isinstance(content, str) else content
    with storage_errors(path):
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk; a system on which folders cannot be opened does that by itself."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def make_folder(path: Path) -> Path:
    """Create a folder and those above it, or say why that is not possible."""
    with storage_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise StorageError(f"{path} is a file, not a folder; choose another place with --out.") from None
    return path
