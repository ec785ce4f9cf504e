"""What errors say, and that they can travel."""

import pickle

import pytest

from thalweg.core import (
    DataError,
    MissingPackage,
    RunError,
    StorageError,
    ThalwegError,
    UnknownName,
    UsageError,
    law,
    optional,
)


def test_a_law_names_call_law_value_and_cure():
    assert str(law("Adam(beta1=...)", "must lie in [0, 1)", 1.2)) == "`Adam(beta1=...)` must lie in [0, 1), got 1.2."
    assert str(law("f(x)", "must be set", None, "Set it.")) == "`f(x)` must be set, got None. Set it."
    assert isinstance(law("f", "is", 1), UsageError)


@pytest.mark.parametrize(
    ("name", "known", "ending"),
    [
        ("adamm", ["sgd", "adam", "adamw"], "Unknown rule 'adamm': did you mean 'adam'?"),
        ("zzz", ["sgd", "adam"], "Unknown rule 'zzz': known: adam, sgd."),
        ("zzz", [], "Unknown rule 'zzz': known: none."),
        (3, ["sgd"], "Unknown rule 3: known: sgd."),
    ],
)
def test_unknown_name(name, known, ending):
    assert str(UnknownName("rule", name, known)) == ending


def test_a_long_list_of_names_is_cut():
    words = str(UnknownName("word", "~", [f"w{k:03}" for k in range(100)]))
    assert words.endswith("w039, ....") and len(words) < 300


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({}, "it is empty"),
        ({"file": "a.csv"}, "a.csv: it is empty"),
        ({"file": "a.csv", "row": 0, "column": "x"}, "a.csv, row 0, column 'x': it is empty"),
        ({"row": 7}, "row 7: it is empty"),
        ({"column": 0}, "column 0: it is empty"),
    ],
)
def test_data_error_names_the_place(place, words):
    assert str(DataError("it is empty", **place)) == words


def test_missing_package():
    with pytest.raises(MissingPackage) as error:
        optional("no_such_package_at_all", extra="ray", purpose="Searching in parallel")
    assert (
        str(error.value)
        == "Searching in parallel needs the package 'no_such_package_at_all': pip install 'thalweg[ray]'."
    )
    assert optional("json", extra="x", purpose="y").loads("1") == 1


FAMILY = {
    UsageError: ValueError,
    UnknownName: ValueError,
    DataError: ValueError,
    StorageError: OSError,
    MissingPackage: ImportError,
    RunError: ThalwegError,
}


@pytest.mark.parametrize("kind", FAMILY)
def test_the_tree(kind):
    assert issubclass(kind, ThalwegError) and issubclass(kind, FAMILY[kind])
    assert isinstance(kind.exit_code, int) and kind.exit_code > 0


@pytest.mark.parametrize(
    "error",
    [
        UsageError("wrong"),
        UnknownName("rule", "adm", ["adam"]),
        DataError("bad", file="a", row=1),
        RunError("old"),
        StorageError("full"),
        MissingPackage("ray", "ray", "Searching"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_leave_a_worker_process(error):
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is type(error) and str(again) == str(error)
