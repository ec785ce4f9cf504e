"""Files are replaced as a whole or not at all, and what the system refuses is said in one sentence."""

import contextlib
import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from thalweg.core import StorageError, files, make_folder, storage_errors, write_atomically


def test_writes_text_and_bytes(tmp_path):
    path = tmp_path / "a.txt"
    write_atomically(path, "Täler 谷")
    assert path.read_text(encoding="utf-8") == "Täler 谷"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_that_the_user_asked_for(tmp_path, mask):
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a", "x")
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize("before", ["fsync", "replace"])
def test_a_kill_before_the_end_leaves_the_old_file(tmp_path, before):
    path = tmp_path / "a"
    write_atomically(path, "old")
    code = f"""
import os, signal, sys
from pathlib import Path
from thalweg.core import write_atomically
def die(*ignored): os.kill(os.getpid(), signal.SIGKILL)
os.{before} = die
write_atomically(Path(sys.argv[1]), "new" * 100_000)
"""
    done = subprocess.run([sys.executable, "-c", code, path], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    write_atomically(path, "newer")
    assert path.read_text() == "newer"


def test_content_is_on_disk_before_it_takes_the_name_and_then_the_name_is(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(files.os, name, lambda *a, n=name, f=original: (done.append(n), f(*a)))
    write_atomically(tmp_path / "a", "x")
    assert done == ["fsync", "replace", "fsync"]  # the content, its name, the folder that holds the name


SENTENCES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "quota is used up",
    errno.EACCES: "no permission",
    errno.EPERM: "no permission",
    errno.EROFS: "read-only",
    errno.ENOTDIR: "is a file, not a folder",
    errno.EFBIG: "may not grow that large",
}


@pytest.mark.parametrize("number", SENTENCES)
@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_each_refusal_has_its_sentence_and_leaves_nothing_behind(tmp_path, monkeypatch, number, call):
    path = tmp_path / "a"
    write_atomically(path, "old")

    def refuse(*ignored):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch, pytest.raises(StorageError) as error:
        patch.setattr(files.os, call, refuse)
        write_atomically(path, "new")
    assert str(error.value).startswith(f"{path} could not be written: ") and str(error.value).endswith(".")
    assert SENTENCES[number] in str(error.value) and isinstance(error.value.__cause__, OSError)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_other_errors_stay_as_they_are(tmp_path):
    with pytest.raises(IsADirectoryError), storage_errors(tmp_path):
        raise IsADirectoryError(errno.EISDIR, "a folder")
    with pytest.raises(StorageError, match="its folder does not exist"), storage_errors(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "gone")
    with pytest.raises(StorageError, match=r"^said before$"), storage_errors(tmp_path):
        raise StorageError("said before")
    with pytest.raises(KeyError), storage_errors(tmp_path):
        raise KeyError("x")


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*ignored):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", "x")
    assert list(tmp_path.iterdir()) == []


def test_a_real_limit_of_size(tmp_path):
    code = """
import resource, sys
from pathlib import Path
from thalweg.core import StorageError, write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), "x" * 100_000)
except StorageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "a"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path / 'a'} could not be written: a file may not grow that large")
    assert list(tmp_path.iterdir()) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_real_full_disk(small_disk):
    disk = small_disk(64 * 1024)
    write_atomically(disk / "a", "old")
    with pytest.raises(StorageError, match="the disk is full; free some space"):
        write_atomically(disk / "a", b"x" * 10**6)
    assert (disk / "a").read_text() == "old" and [p.name for p in disk.iterdir()] == ["a"]


@pytest.fixture
def sealed():
    """A folder in which we may not write; as root, by being somebody else for a while."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield place
    if root:
        os.seteuid(0)
    place.chmod(0o755)
    shutil.rmtree(place)


def test_no_permission(sealed):
    with pytest.raises(StorageError, match="there is no permission to write there; choose another place"):
        write_atomically(sealed / "a", "x")
    with pytest.raises(StorageError, match="there is no permission to write there"):
        make_folder(sealed / "new" / "deep")


def test_make_folder(tmp_path):
    deep = tmp_path / "a" / "b" / "c"
    assert make_folder(deep) == deep == make_folder(deep)
    assert deep.is_dir()


def test_make_folder_where_a_file_is(tmp_path):
    (tmp_path / "a").write_text("x")
    for path in (tmp_path / "a", tmp_path / "a" / "b"):
        with pytest.raises(StorageError) as error:
            make_folder(path)
        assert "is a file, not a folder; choose another place with --out." in str(error.value)
    with contextlib.suppress(StorageError):
        make_folder(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "x"
