"""The public names: adding or removing one is a decision, and this test is where it is made."""

import importlib

import thalweg

NAMES = {
    "__version__", "train", "resume", "Run", "Recipe", "EarlyStopping", "mlp", "convnet", "recurrent", "transformer",
    "rules", "schedules", "data", "open_source", "Classifier", "Regressor", "rates", "set_language",
}  # fmt: skip


def test_the_public_names_are_these() -> None:
    assert set(thalweg.__all__) == NAMES
    assert set(dir(thalweg)) == NAMES


def test_every_name_is_there() -> None:
    for name in NAMES:
        assert getattr(thalweg, name) is not None


def test_the_verb_train_is_not_hidden_by_the_folder_of_that_name() -> None:
    folder = importlib.import_module("thalweg.train")
    assert callable(thalweg.train)
    assert hasattr(folder, "Recipe")


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(thalweg, "trian")
