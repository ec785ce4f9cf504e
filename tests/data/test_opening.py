import tomllib
from importlib import resources

import numpy as np
import polars as pl
import pytest

from thalweg.core import DataError, UnknownName, UsageError
from thalweg.data import ArrayFile, Arrays, Digits, Frame, Idx, ImageFolder, Table, Text, open_source


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.csv", Table),
        ("a.tsv", Table),
        ("a.csv.gz", Table),
        ("a.parquet", Table),
        ("a.npz", ArrayFile),
        ("a.npy", ArrayFile),
        ("train-images-idx3-ubyte", Idx),
        ("train-images-idx3-ubyte.gz", Idx),
        ("a.txt", Text),
    ],
)
def test_paths(tmp_path, name, kind):
    (tmp_path / name).write_text("x")
    assert type(open_source(tmp_path / name)) is kind
    assert type(open_source(str(tmp_path / name))) is kind


def test_folders(tmp_path):
    (tmp_path / "cat").mkdir()
    assert type(open_source(tmp_path)) is ImageFolder
    (tmp_path / "train-images-idx3-ubyte").write_text("x")
    assert type(open_source(tmp_path)) is Idx
    books = tmp_path / "books"
    books.mkdir()
    for name in ("b.txt", "a.txt"):
        (books / name).write_text("x")
    assert [path[-5:] for path in open_source(books).paths] == ["a.txt", "b.txt"]


def test_everything_else():
    assert open_source("digits") == Digits()
    assert open_source(Digits()) == Digits()
    assert type(open_source((np.ones((2, 2)), [0, 1]))) is Arrays
    frame = open_source(pl.DataFrame({"a": [1]}), target="a")
    assert type(frame) is Frame and frame.target == "a"
    assert open_source(["a.txt", "b.txt"]) == Text(paths=("a.txt", "b.txt"))


BAD = {
    "dgits": (UnknownName, "did you mean 'digits'"),
    "nonsense": (UnknownName, "known: breast_cancer"),
    "sub/a.csv": (DataError, "no such file, nor a folder 'sub'"),
    "b.csv": (DataError, "did you mean '.*a.csv'"),
    "a.pkl": (UsageError, "could run code"),
    "a.docx": (DataError, "files ending in '.docx' are not known"),
    "table": (UsageError, "needs data of yours"),
    "x" * 5000: (DataError, "file name too long"),
    "nul\0.csv": (DataError, "no such file"),
}


@pytest.mark.parametrize("name", BAD, ids=lambda name: name[:12].replace("\0", "0"))
def test_bad_names(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for file in ("a.csv", "a.pkl", "a.docx"):
        (tmp_path / file).write_text("x")
    kind, sentence = BAD[name]
    with pytest.raises(kind, match=sentence):
        open_source(name)


def test_bad_things():
    with pytest.raises(UsageError, match="must be data, got int"):
        open_source(3)
    with pytest.raises(UsageError, match="has its own target"):
        open_source("iris", target="x")


def test_text_files_that_cannot_be_read(tmp_path):
    for content, sentence in (
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"ab\nc\xff", "row 2: byte 0xff is not UTF-8"),
    ):
        (tmp_path / "t.txt").write_bytes(content)
        with pytest.raises(DataError, match=sentence):
            Text(paths=(str(tmp_path / "t.txt"),)).load()
    with pytest.raises(DataError, match="no such file"):
        Text(paths=(str(tmp_path / "none.txt"),)).load()
    with pytest.raises(UsageError, match="at least one file"):
        Text(paths=())


def test_both_languages_say_the_same_things():
    texts = [resources.files("thalweg.core.words").joinpath(lang, "data.toml").read_text() for lang in ("en", "zh")]
    english, chinese = map(tomllib.loads, texts)
    assert english.keys() == chinese.keys()
    for key in english:
        fields = [{part.split("}")[0] for part in text[key].split("{")[1:]} for text in (english, chinese)]
        assert fields[0] == fields[1], key
