"""Arrays in memory and in NumPy's files."""

import numpy as np
import polars as pl
import pytest
import torch

from thalweg.core import DataError, UsageError
from thalweg.data import ArrayFile, Arrays, Split, prepare

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3))
Y = np.arange(40) % 4


def test_lists_tensors_and_arrays_agree():
    expected = Arrays(X=X, y=Y).load()
    for x, y in ((X.tolist(), Y.tolist()), (torch.from_numpy(X), torch.from_numpy(Y)), (X, Y[:, None])):
        found = Arrays(X=x, y=y).load()
        assert np.array_equal(found.inputs, expected.inputs) and np.array_equal(found.targets, expected.targets)
    assert Arrays(X=X, y=Y).fingerprint() == Arrays(X=X.copy(), y=Y.copy()).fingerprint()
    assert Arrays(X=X, y=Y).fingerprint() != Arrays(X=X + 1, y=Y).fingerprint()


@pytest.mark.parametrize(
    ("shape", "dtype", "kind", "shaped"),
    [
        ((9, 3), float, "table", (9, 3)),
        ((9,), float, "table", (9, 1)),
        ((9, 5, 5), np.uint8, "image", (9, 1, 5, 5)),
        ((9, 5, 2), float, "sequence", (9, 5, 2)),
        ((9, 3, 8, 8), float, "image", (9, 3, 8, 8)),
        ((9, 8, 8, 3), np.uint8, "image", (9, 3, 8, 8)),
    ],
)
def test_the_kind_is_read_off_the_shape(shape, dtype, kind, shaped):
    dataset = Arrays(X=RNG.integers(0, 255, shape).astype(dtype), y=np.arange(9) % 2).load()
    assert (dataset.kind, dataset.inputs.shape) == (kind, shaped)
    assert dataset.full_scale == (255.0 if dtype is np.uint8 else 1.0)


def test_the_kind_can_be_set():
    assert Arrays(X=np.zeros((4, 5, 5)), y=[0, 1] * 2, kind="image").load().inputs.shape == (4, 1, 5, 5)
    assert Arrays(X=np.zeros((4, 2)), y=[0, 1] * 2, kind="points").load().kind == "points"
    with pytest.raises(UsageError, match="kind"):
        Arrays(X=X, y=Y, kind="sound")
    with pytest.raises(DataError, match="a sequence has"):
        Arrays(X=X, y=Y, kind="sequence").load()


BAD = {
    "lengths": (X, Y[:-1], "X has 40 examples, y has 39"),
    "scalar": (X, 3, "y has a single value"),
    "ragged": ([[1, 2], [3]], [0, 1], "X has rows of different lengths"),
    "words": ([["1", "2"], ["a", "3"]], [0, 1], "row 1, column 0: 'a' in X is not a number"),
    "objects": (np.array([[{}], [1]], dtype=object), [0, 1], "row 0, column 0.*is not a number"),
    "complex": (X.astype(complex), Y, "is not made of numbers"),
    "empty": (np.zeros((0, 3)), [], "at least one example"),
    "deep": (np.zeros((4, 2, 2, 2, 2)), [0, 1, 0, 1], "a table has"),
    "one class": (X, [1] * 40, "single class '1'"),
    "target nan": (
        X,
        [np.nan, *Y[1:]],
        "row 0, column 0: the targets hold NaN or infinite values, 1 of them",
    ),
    "target object": (X, np.array([{}] * 40, dtype=object), "row 0: a target must be a word or a number"),
    "target dates": (X, np.array(["2020-01-01"] * 40, dtype="M8[D]"), "neither classes nor values"),
    "labels in a table": (X, np.array([["a", "b"]] * 40), "one label an example"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arrays_get_one_sentence(name):
    x, y, sentence = BAD[name]
    with pytest.raises(DataError, match=sentence):
        Arrays(X=x, y=y).load()


def test_labels_outside_the_classes():
    names = ("a", "b", "c")
    assert Arrays(X=X, y=Y % 3, class_names=names).load().class_names == names
    with pytest.raises(DataError, match="row 3: label 3 lies outside the 3 classes 0 to 2"):
        Arrays(X=X, y=Y, class_names=names).load()
    with pytest.raises(DataError, match="row 3: label -1 lies outside"):
        Arrays(X=X, y=np.where(Y == 3, -1, Y), class_names=names).load()
    with pytest.raises(DataError, match="row 1: class 'z' is not among"):
        Arrays(X=X, y=["a", "z"] * 20, class_names=names).load()


def test_words_cannot_be_values():
    with pytest.raises(DataError, match="row 1, column 'y': target 'b' is not a number"):
        Arrays(X=X, y=["1", "b"] * 20, task="regression").load()


WORDS = np.array(["10", "9", "b", "c"], dtype=object)[Y]


@pytest.mark.parametrize(("x", "ending"), [(X, "npz"), (pl.DataFrame(X, schema=["a", "b", "y"]), "parquet")])
@pytest.mark.parametrize("y", [Y, WORDS, X[:, 0], Y % 2 == 0], ids=["codes", "words", "values", "truths"])
def test_saved_arrays_are_read_again(tmp_path, x, ending, y):
    first = Arrays(X=x, y=y)
    again = first.save(tmp_path / "data.npz")
    assert [path.name for path in tmp_path.iterdir()] == [f"data.{ending}"] and len(again.fingerprint()) == 16
    expected, found = first.load(), again.load()
    assert (expected.task, expected.kind) == (found.task, found.kind)
    assert np.array_equal(expected.targets, found.targets)
    assert np.array_equal(np.asarray(expected.inputs), np.asarray(found.inputs))


def test_task_kind_and_classes_are_kept(tmp_path):
    source = Arrays(X=RNG.random((40, 4, 4)), y=Y, kind="image", class_names=tuple("dcba")).save(tmp_path / "d.npz")
    dataset = source.load()
    assert dataset.kind == "image" and dataset.class_names == tuple("dcba")
    assert Arrays(X=X, y=Y, task="regression").save(tmp_path / "e.npz").load().task == "regression"


def test_what_cannot_be_saved_or_trained_on(tmp_path):
    with pytest.raises(UsageError, match="give X as an array"):
        Arrays(X=pl.DataFrame({"a": [1, 2]}), y=[[1, 2], [3, 4]]).save(tmp_path / "b.npz")
    with pytest.raises(UsageError, match="must be given to train"):
        Arrays(X=X).load()


def test_npz_names_are_found_or_asked_for(tmp_path):
    np.savez(tmp_path / "a.npz", images=X, labels=Y)
    assert ArrayFile(path=str(tmp_path / "a.npz")).load().task == "classification"
    np.savez(tmp_path / "b.npz", first=X, second=Y)
    with pytest.raises(DataError, match="none of its arrays is called X: first, second"):
        ArrayFile(path=str(tmp_path / "b.npz")).load()
    assert len(ArrayFile(path=str(tmp_path / "b.npz"), inputs="first", target="second").load()) == 40
    with pytest.raises(DataError, match="did you mean 'second'"):
        ArrayFile(path=str(tmp_path / "b.npz"), inputs="first", target="secnd").load()


def test_npy_stays_in_its_file(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", Y)
    dataset = ArrayFile(path=str(tmp_path / "X.npy")).load()
    assert isinstance(dataset.inputs, np.memmap) and np.array_equal(dataset.targets, Y)
    np.save(tmp_path / "both.npy", X)
    source = ArrayFile(path=str(tmp_path / "both.npy"))
    dataset = source.load()
    assert isinstance(dataset.inputs, np.memmap) and dataset.task == "regression"
    preparation = prepare(dataset, split=Split(), scaler=None, seed=0).preparation
    assert torch.equal(preparation.encode(source), preparation.encode(X[:, :2]))
    np.save(tmp_path / "image.npy", np.zeros((4, 2, 2)))
    with pytest.raises(DataError, match="no targets in it or beside it"):
        ArrayFile(path=str(tmp_path / "image.npy")).load()
    assert len(ArrayFile(path=str(tmp_path / "image.npy"), target=str(tmp_path / "y4.npy")).fingerprint()) == 16


@pytest.mark.parametrize("name", ["o.npy", "o.npz"])
def test_nothing_is_unpickled(tmp_path, name):
    objects = np.array([{}, 1], dtype=object)
    (np.save if name.endswith("npy") else np.savez)(tmp_path / name, objects)
    with pytest.raises(DataError, match="Python objects, which are never loaded"):
        ArrayFile(path=str(tmp_path / name)).load()


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_damaged_files(tmp_path, name):
    path = tmp_path / name
    (np.save if name.endswith("npy") else np.savez)(path, X)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:4], b"hello", b"\x80\x04\x95"):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            ArrayFile(path=str(path)).load()
    path.write_bytes(b"")
    with pytest.raises(DataError, match="the file is empty"):
        ArrayFile(path=str(path)).load()
