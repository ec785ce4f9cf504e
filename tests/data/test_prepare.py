"""Nothing but training rows is fitted; parts hold what they should, in memory as in their file."""

import dataclasses

import numpy as np
import polars as pl
import pytest
import torch

from thalweg.core import DataError, UsageError
from thalweg.data import SCALERS, Arrays, Dataset, Digits, Split, Standardise, Text, prepare


def table(seed: int = 0, size: int = 60) -> Dataset:
    rng = np.random.default_rng(seed)
    targets = np.arange(size) % 3
    names = ("a", "b", "c")
    return Dataset(
        inputs=rng.normal(3, 5, (size, 4)),
        targets=targets,
        task="classification",
        kind="table",
        class_names=names,
    )


@pytest.mark.parametrize("name", sorted(SCALERS))
def test_other_rows_do_not_leak_into_what_is_fitted(name):
    dataset = table()
    before = prepare(dataset, split=Split(), scaler=SCALERS[name](), seed=0)
    changed = dataset.inputs.copy()
    changed[np.concatenate([before.validation.rows, before.test.rows])] *= 1000
    after = prepare(dataclasses.replace(dataset, inputs=changed), split=Split(), scaler=SCALERS[name](), seed=0)
    assert np.array_equal(before.train.rows, after.train.rows)
    for key, value in before.preparation.fitted.items():
        assert torch.equal(value, after.preparation.fitted[key])
    assert torch.equal(before.train.inputs, after.train.inputs)


def test_a_table_learns_from_training_rows_alone():
    size = 60
    frame = pl.DataFrame({"x": [float(i) for i in range(size)], "word": ["a", "b", "c"] * (size // 3)})
    dataset = Arrays(X=frame, y=np.linspace(0, 1, size)).load()
    rows = Split().rows(dataset.targets, "regression", 0)
    x = np.arange(size, dtype=float)
    x[rows[2]] = 1e6
    words = np.array(["a", "b", "c"] * (size // 3), dtype=object)
    words[rows[1]] = "new"
    other = Arrays(X=pl.DataFrame({"x": x, "word": list(words)}), y=np.linspace(0, 1, size)).load()
    first, second = (prepare(d, split=Split(), scaler=None, seed=0).preparation for d in (dataset, other))
    assert first.encoder == second.encoder
    assert all(torch.equal(first.fitted[key], second.fitted[key]) for key in first.fitted)


def test_regression_targets_are_standardised_by_the_training_rows():
    y = np.random.default_rng(0).normal(50, 9, (80, 2))
    prepared = prepare(Arrays(X=np.random.rand(80, 3), y=y).load(), split=Split(), scaler=None, seed=0)
    train = prepared.train.targets
    assert train.shape == (len(prepared.train), 2)
    torch.testing.assert_close(train.mean(dim=0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(train.std(dim=0, correction=0), torch.ones(2))
    np.testing.assert_allclose(prepared.preparation.target_mean.numpy(), y[prepared.train.rows].mean(axis=0))


def test_digits_are_divided_by_their_range_and_standardised_per_channel():
    prepared = prepare(Digits().load(), split=Split(), scaler=None, seed=0)
    assert prepared.preparation.scaler == Standardise(per="channel")
    assert abs(float(prepared.train.inputs.mean())) < 1e-4
    assert abs(float(prepared.train.inputs.std()) - 1) < 1e-3
    assert any(note.key == "data.scaler" for note in prepared.said)
    raw = prepare(Digits().load(), split=Split(), scaler=SCALERS["none"](), seed=0)
    assert float(raw.train.inputs.max()) == 1.0


def test_a_batch_is_a_selection():
    part = prepare(table(), split=Split(), scaler=None, seed=0).train
    index = torch.tensor([3, 1, 3])
    x, y = part.batch(index)
    assert torch.equal(x, part.inputs[index]) and torch.equal(y, part.targets[index])
    x, y = part.batch(torch.arange(6).reshape(2, 3))
    assert x.shape == (2, 3, 4) and y.shape == (2, 3)
    assert part.resident and part.to("cpu").resident


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_mapped_part_gives_what_a_resident_one_gives(tmp_path, task):
    x = np.random.default_rng(0).integers(0, 255, (90, 2, 5, 5), dtype=np.uint8)
    y = np.arange(90) % 3 if task == "classification" else np.linspace(0, 9, 90)
    np.save(tmp_path / "x.npy", x)
    mapped_x = np.load(tmp_path / "x.npy", mmap_mode="r")
    resident, mapped = (
        prepare(Arrays(X=data, y=y, task=task).load(), split=Split(), scaler=None, seed=0, resident_bytes=0)
        for data in (x, mapped_x)
    )
    assert resident.train.resident and not mapped.train.resident
    assert any(note.key == "data.mapped" for note in mapped.said)
    index = torch.tensor([[5, 0, 5], [2, 7, 1]])
    for name in ("train", "validation", "test"):
        for one, other in zip(getattr(resident, name).batch(index), getattr(mapped, name).batch(index), strict=True):
            assert torch.equal(one, other)
        assert len(getattr(resident, name)) == len(getattr(mapped, name).to("cpu"))


def test_text_gives_windows_and_their_next_characters(tmp_path):
    text = "abcdefghij" * 30
    (tmp_path / "t.txt").write_text(text)
    source = Text(paths=(str(tmp_path / "t.txt"),), window=8, stride=4)
    prepared = prepare(source.load(), split=Split(), scaler=None, seed=0)
    part, preparation = prepared.train, prepared.preparation
    assert preparation.input_shape == (8,) and preparation.num_outputs == 11 == len(preparation.vocabulary)
    assert len(part) == (225 - 8 - 1) // 4 + 1
    x, y = part.batch(torch.arange(len(part)))
    assert x.shape == y.shape == (len(part), 8) and x.dtype == torch.int64
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert "".join(preparation.decode_targets(x[1])) == text[4:12]
    assert torch.equal(part.batch(torch.tensor([[0, 1], [2, 3]]))[0].reshape(4, 8), x[:4])
    assert torch.equal(part.to("cpu").batch(torch.tensor([2]))[1], y[2:3])
    train, validation, test = (len(rows) for rows in (part.rows, prepared.validation.rows, prepared.test.rows))
    assert (train, validation, test) == (225, 30, 45)


def test_text_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "t.txt").write_text("abc" * 20)
    dataset = Text(paths=(str(tmp_path / "t.txt"),)).load()
    with pytest.raises(DataError, match="a window of 64 needs 65"):
        prepare(dataset, split=Split(), scaler=None, seed=0)
    with pytest.raises(UsageError, match="must be none for text"):
        prepare(dataset, split=Split(), scaler=Standardise(), seed=0)


def test_numbers_that_no_network_could_read_are_refused():
    dataset = table()
    broken = dataset.inputs.copy()
    broken[7, 2] = np.nan
    broken[9, 1] = np.inf
    with pytest.raises(DataError, match=r"row 7, column 2.*NaN or infinite values, 2 of them"):
        prepare(
            dataclasses.replace(dataset, inputs=broken),
            split=Split(test=0, validation=0),
            scaler=None,
            seed=0,
        )
    huge = dataset.inputs.copy()
    huge[:, 0] *= 1e200
    with pytest.raises(DataError, match="too large for float32"):
        prepare(dataclasses.replace(dataset, inputs=huge), split=Split(), scaler=SCALERS["none"](), seed=0)


def test_constant_inputs_are_named_or_refused():
    dataset = table()
    some = dataset.inputs.copy()
    some[:, 1] = 4
    said = prepare(dataclasses.replace(dataset, inputs=some), split=Split(), scaler=None, seed=0).said
    assert [note.values["columns"] for note in said if note.key == "data.constant"] == ["1"]
    with pytest.raises(DataError, match="every input is the same"):
        prepare(dataclasses.replace(dataset, inputs=np.ones((60, 4))), split=Split(), scaler=None, seed=0)


def test_classes_with_one_example_are_named():
    dataset = Arrays(X=np.random.rand(21, 2), y=["a", "b"] * 10 + ["rare"]).load()
    prepared = prepare(dataset, split=Split(), scaler=None, seed=0)
    assert [note.values["classes"] for note in prepared.said if note.key == "data.lone_class"] == ["rare"]
    assert 20 in prepared.train.rows
