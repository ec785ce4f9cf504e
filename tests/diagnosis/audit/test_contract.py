"""What holds for every audit: pure, repeatable, silent on healthy data of all kinds, steady on small and holed data."""

import doctest
import importlib
import importlib.util
import pkgutil
import random
import time
from pathlib import Path

import numpy as np
import pytest

import thalweg.diagnosis.audit as audit

_spec = importlib.util.spec_from_file_location("audit_sets", Path(__file__).with_name("sets.py"))
sets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sets)


def all_facts(x_train, y_train, x_held, y_held):
    """Return what every function of the folder says of one data set."""
    batches = [y_train[i : i + 32] for i in range(0, len(y_train), 32)]
    return {
        "scale": audit.measure_scale(x_train, y_train),
        "shrinkage": audit.measure_shrinkage(x_train),
        "targets": audit.describe_targets(y_train),
        "order": audit.measure_order(batches),
        "columns": audit.find_bad_columns(x_train),
        "dependence": audit.measure_dependence(x_train, y_train),
        "noise": audit.measure_label_noise(x_train, y_train),
        "shift": audit.measure_shift(x_train, x_held),
        "duplicates": audit.count_duplicates(x_train, x_held),
        "column": audit.find_telling_column(x_train, y_train, x_held, y_held),
        "classes": audit.count_classes(y_train),
        "copy": audit.find_copy(x_train, y_train),
    }


def alarms(facts):
    """Return which facts would make somebody look closer; raw scale, offsets and rare classes are judged elsewhere."""
    noise, dependence, order, column, copy = (facts[k] for k in ("noise", "dependence", "order", "column", "copy"))
    signs = {
        "shrunken": facts["shrinkage"].shrunken or facts["shrinkage"].tiny,
        "sorted": order is not None and order.sorted,
        "sentinels": bool(facts["columns"].sentinels),
        "holed": bool(facts["columns"].holed),
        "duplicate": bool(facts["columns"].duplicate),
        "numbered": bool(facts["columns"].numbered),
        "independent": dependence is not None and dependence.independent,
        "flipped": noise is not None and noise.flipped,
        "shifted": facts["shift"].shifted,
        "told apart": facts["shift"].told_apart,
        "leaked": facts["duplicates"].leaked,
        "leaks": column is not None and (column.leaks or column.alone),
        "copied": copy is not None and copy.copied,
    }
    return [name for name, sign in signs.items() if sign]


@pytest.mark.parametrize("name", sets.HEALTHY)
def test_healthy_data_raise_no_alarm(name):
    assert alarms(all_facts(*_shuffled(*sets.cut(name)))) == []


@pytest.mark.parametrize("name", ["images", "tokens", "flags", "heavy"])
def test_and_other_seeds_raise_none_either(name):
    assert alarms(all_facts(*_shuffled(*sets.cut(name, seed=1)))) == []


def _shuffled(x, y, x_held, y_held):
    """Return training rows in a random order, as a loader would give them, series too."""
    rows = np.random.default_rng(5).permutation(len(y))
    return x[rows], y[rows], x_held, y_held


def test_nothing_is_changed_and_everything_is_repeatable():
    parts = sets.cut("images")
    before = [part.copy() for part in parts]
    random.seed(3)
    np.random.seed(3)
    states = random.getstate(), np.random.get_state()[1].tolist()
    first, second = all_facts(*parts), all_facts(*parts)
    assert repr(first) == repr(second)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states
    assert all((a == b).all() for a, b in zip(parts, before, strict=True))


@pytest.mark.parametrize("count", [1, 2, 5, 12])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (1, 4, 4)])
def test_small_data_are_answered_or_declined(count, shape):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(count, *shape))
    for y in (draw.normal(size=count), draw.integers(0, 2, count), np.zeros(count)):
        audit.measure_scale(x, y)
        audit.measure_shrinkage(x)
        audit.describe_targets(y)
        audit.measure_order([y])
        audit.find_bad_columns(x)
        assert audit.measure_dependence(x, y) is None
        assert audit.measure_label_noise(x, y) is None
        assert audit.measure_shift(x, x) is None
        audit.count_duplicates(x, x)
        assert audit.find_telling_column(x, y) is None
        audit.count_classes(y)
        audit.find_copy(x, y)


def test_holes_and_constants_break_nothing():
    x, y, x_held, y_held = (part.copy() for part in sets.cut("blobs"))
    x[3, 2], x[5, 2], x_held[0, 1] = np.nan, np.inf, np.nan
    x[:, 0], x_held[:, 0] = 4.0, 4.0
    assert alarms(all_facts(x, y, x_held, y_held)) == ["holed"]
    x[:, 1], x_held[:, 1] = np.nan, np.nan
    assert alarms(all_facts(x, y, x_held, y_held)) == ["holed"]


@pytest.mark.parametrize("dtype", [np.float16, np.int64, bool])
def test_any_dtype_will_do(dtype):
    x, y, x_held, y_held = sets.cut("flags")
    assert alarms(all_facts(x.astype(dtype), y, x_held.astype(dtype), y_held)) == []


def test_thousands_of_rows_take_a_moment():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(5000, 64)), draw.integers(0, 10, 5000)
    begun = time.process_time()
    all_facts(x, y, draw.normal(size=(1000, 64)), draw.integers(0, 10, 1000))
    assert time.process_time() - begun < 6  # twelve functions, 2 s on an idle core


def test_examples_in_docstrings_hold():
    tried = 0
    for module in pkgutil.iter_modules(audit.__path__, "thalweg.diagnosis.audit."):
        result = doctest.testmod(importlib.import_module(module.name))
        assert result.failed == 0, module.name
        tried += result.attempted
    assert tried >= 10
