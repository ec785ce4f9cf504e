"""What prediction needs: encoded as in training, decoded back, saved and loaded to the last bit."""

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import torch

from thalweg.core import DataError, RunError
from thalweg.data import SCALERS, Arrays, Dataset, Digits, Frame, Iris, Preparation, Split, Text, prepare


def mixed(size: int = 40) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "age": [None if i % 9 == 0 else i for i in range(size)],
            "city": ["Oslo" if i % 3 else "Rome" for i in range(size)],
            "price": [1000.0 + 3 * i for i in range(size)],
        }
    )


def prepared(dataset: Dataset, scaler=None):
    return prepare(dataset, split=Split(), scaler=scaler, seed=0)


@pytest.mark.parametrize("scaler", sorted(SCALERS))
@pytest.mark.parametrize("make", [Digits, Iris, lambda: Frame(frame=mixed(), target="price")])
def test_save_and_load_are_bit_equal(tmp_path, make, scaler):
    dataset = make().load()
    first = prepared(dataset, SCALERS[scaler]()).preparation
    first.save(tmp_path / "p.safetensors")
    again = Preparation.load(tmp_path / "p.safetensors")
    assert torch.equal(first.encode(dataset), again.encode(dataset))
    assert (first.scaler, first.encoder, first.input_shape) == (
        again.scaler,
        again.encoder,
        again.input_shape,
    )
    assert (first.class_names, first.feature_names) == (again.class_names, again.feature_names)
    outputs = torch.randn(5, first.num_outputs)
    assert np.array_equal(first.decode(outputs), again.decode(outputs))


def test_encode_gives_what_training_saw():
    dataset = Digits().load()
    data = prepared(dataset)
    assert torch.equal(data.preparation.encode(dataset)[data.test.rows], data.test.inputs)
    raw = dataset.inputs
    for form in (raw[:, 0], np.moveaxis(raw, 1, -1), raw.tolist(), torch.from_numpy(raw)):
        assert torch.equal(data.preparation.encode(form), data.preparation.encode(raw))
    assert data.preparation.encode(raw[0]).shape == (1, 1, 8, 8)
    with pytest.raises(DataError, match=r"shape \(3, 7, 7\), the model needs \(N, 1, 8, 8\)"):
        data.preparation.encode(np.zeros((3, 7, 7)))


def test_a_table_is_encoded_with_or_without_its_target():
    frame = mixed()
    preparation = prepared(Frame(frame=frame, target="price").load()).preparation
    whole = preparation.encode(frame)
    assert preparation.feature_names == ("age", "age is missing", "city=Oslo", "city=Rome")
    assert torch.equal(preparation.encode(frame.drop("price").select("city", "age")), whole)
    assert torch.equal(preparation.encode(Frame(frame=frame)), whole)
    rows = np.array([[1, "Oslo"], [None, "Rome"]], dtype=object)
    assert torch.equal(
        preparation.encode(rows),
        preparation.encode(pl.DataFrame({"age": [1, None], "city": ["Oslo", "Rome"]})),
    )


def test_an_unseen_category_is_all_zero_and_said():
    preparation = prepared(Frame(frame=mixed(), target="price").load(), SCALERS["none"]()).preparation
    new = pl.DataFrame({"age": [5.0], "city": ["Lima"]})
    assert preparation.encode(new).tolist() == [[5.0, 0.0, 0.0, 0.0]]
    assert "Lima" in preparation.unseen(new)[0].text("en")
    assert preparation.unseen(mixed()) == ()


def test_columns_that_are_missing_are_named():
    preparation = prepared(Frame(frame=mixed(), target="price").load()).preparation
    with pytest.raises(DataError, match="missing: `city`; for `city` did you mean 'citty'"):
        preparation.encode(mixed().rename({"city": "citty"}))
    with pytest.raises(DataError, match="row 1, column 'age': 'old' is not a number"):
        preparation.encode(pl.DataFrame({"age": ["1", "old"], "city": ["Oslo", "Oslo"]}))
    with pytest.raises(DataError, match=r"shape \(1, 3\), the model needs \(N, 2\): age, city"):
        preparation.encode(np.ones((1, 3)))


def test_an_array_model_reads_frames_by_name():
    dataset = Iris().load()
    preparation = prepared(dataset).preparation
    frame = pl.DataFrame(dataset.inputs, schema=list(dataset.feature_names))
    assert torch.equal(preparation.encode(frame.select(reversed(frame.columns))), preparation.encode(dataset))
    with pytest.raises(DataError, match="missing: `petal width"):
        preparation.encode(frame.drop("petal width (cm)"))
    with pytest.raises(DataError, match=r"row 1.*the cell is empty"):
        preparation.encode(frame.with_columns(frame.to_series(0).set(pl.Series([i == 1 for i in range(150)]), None)))


def test_classes_are_decoded_by_name_and_encoded_by_name():
    dataset = Arrays(X=np.random.rand(30, 2), y=["no", "yes", "maybe"] * 10).load()
    preparation = prepared(dataset).preparation
    assert preparation.class_names == ("maybe", "no", "yes")
    logits = torch.tensor([[0.0, 5.0, 1.0], [2.0, 0.0, 1.0]])
    assert preparation.decode(logits).tolist() == ["no", "maybe"]
    np.testing.assert_allclose(preparation.probabilities(logits).sum(axis=1), 1)
    fewer = Arrays(X=np.random.rand(4, 2), y=["yes", "no", "yes", "no"]).load()
    assert preparation.encode_targets(fewer).tolist() == [2, 1, 2, 1]
    assert preparation.decode_targets(torch.tensor([2, 0])).tolist() == ["yes", "maybe"]
    with pytest.raises(DataError, match="row 1: class 'never' was not trained on"):
        preparation.encode_targets(Arrays(X=np.random.rand(2, 2), y=["yes", "never"]).load())


@pytest.mark.parametrize("targets", [1, 2])
def test_values_come_back_in_their_unit(targets):
    y = np.random.default_rng(0).normal(100, 20, (50, targets))
    dataset = Arrays(X=np.random.rand(50, 3), y=y[:, 0] if targets == 1 else y).load()
    preparation = prepared(dataset).preparation
    encoded = preparation.encode_targets(dataset)
    assert encoded.shape == (50, targets)
    np.testing.assert_allclose(preparation.decode(encoded), dataset.targets, rtol=1e-5)
    assert preparation.decode(encoded).shape == dataset.targets.shape
    with pytest.raises(DataError, match="values, not probabilities"):
        preparation.probabilities(encoded)
    with pytest.raises(DataError, match="must have shape"):
        preparation.decode(torch.zeros(5, targets + 1))


def test_text_goes_there_and_back(tmp_path):
    (tmp_path / "t.txt").write_text("hello world " * 40)
    source = Text(paths=(str(tmp_path / "t.txt"),), window=8)
    preparation = prepared(source.load()).preparation
    preparation.save(tmp_path / "p")
    preparation = Preparation.load(tmp_path / "p")
    tokens = preparation.encode("hello!")
    assert tokens.shape == (1, 6) and int(tokens[0, -1]) == 0
    assert "".join(preparation.decode_targets(tokens[0, :5])) == "hello"
    assert preparation.decode(torch.eye(preparation.num_outputs)[tokens]).tolist()[0][:5] == list("hello")
    windows = preparation.encode(source)
    assert torch.equal(windows, preparation.encode(source.load()))
    assert torch.equal(windows[:, 1:], preparation.encode_targets(source.load())[:, :-1])
    with pytest.raises(DataError, match="whole numbers from 0"):
        preparation.encode(np.array([99]))
    with pytest.raises(DataError, match="reads text"):
        preparation.encode(Iris())


def test_damaged_and_foreign_files_are_one_sentence(tmp_path):
    path = tmp_path / "p.safetensors"
    prepared(Iris().load()).preparation.save(path)
    content = path.read_bytes()
    for name, what in {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "noise": b"\x80\x04pickle",
        "foreign": safetensors.torch.save({"a": torch.ones(2)}),
        "record": safetensors.torch.save(
            {"a": torch.ones(2)}, metadata={"thalweg": '{"written_as": "preparation", "schema": 1}'}
        ),
        "json": safetensors.torch.save({"a": torch.ones(2)}, metadata={"thalweg": "{"}),
        "newer": safetensors.torch.save(
            {"a": torch.ones(2)}, metadata={"thalweg": '{"written_as": "preparation", "schema": 9}'}
        ),
    }.items():
        (tmp_path / name).write_bytes(what)
        with pytest.raises(RunError) as caught:
            Preparation.load(tmp_path / name)
        assert "\n" not in str(caught.value)
    for missing in (tmp_path / "nothing", tmp_path):
        with pytest.raises(RunError):
            Preparation.load(missing)
