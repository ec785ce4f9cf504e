"""The public names: adding or removing one is a decision, and this test is where it is made."""

import importlib
import inspect

import pytest

import thalweg

NAMES = {
    "__version__", "train", "resume", "Run", "Recipe", "EarlyStopping", "mlp", "convnet", "recurrent", "transformer",
    "rules", "schedules", "init", "norms", "regularisers", "optim", "surface", "data", "open_source", "Classifier",
    "Regressor", "Transfer", "rates", "set_language", "watch", "check", "diagnose",
        "lightning_callback", "trainer_callback",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert set(thalweg.__all__) == NAMES
    assert set(dir(thalweg)) == NAMES


def test_every_name_is_there() -> None:
    for name in NAMES:
        assert getattr(thalweg, name) is not None


def test_train_is_a_verb_and_a_folder() -> None:
    import thalweg.train.making as making

    folder = importlib.import_module("thalweg.train")
    assert thalweg.train is folder and making.make_job is folder.make_job
    assert list(inspect.signature(thalweg.train).parameters)[:3] == ["data", "model", "target"]
    with pytest.raises(TypeError, match="unexpected keyword argument 'epoch'"):
        thalweg.train("digits", epoch=3)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(thalweg, "trian")
