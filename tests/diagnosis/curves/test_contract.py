"""What holds for every function here: true examples, frozen records without sentences, thresholds with reasons."""

import dataclasses
import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

from thalweg.diagnosis import curves

MODULES = [importlib.import_module(f"{curves.__name__}.{m.name}") for m in pkgutil.iter_modules(curves.__path__)]


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.__name__.rpartition(".")[2])
def test_examples_are_true(module):
    assert doctest.testmod(module).failed == 0
    assert "Thresholds" in module.__doc__


def test_records_are_frozen_and_hold_numbers():
    found = [c for c in vars(curves).values() if inspect.isclass(c)]
    assert len(found) >= 14
    for record in found:
        assert record.__dataclass_params__.frozen, record
        for field in dataclasses.fields(record):
            assert "Message" not in str(field.type)


def test_what_is_given_is_left_as_it_was_and_gives_the_same_again():
    loss = np.random.default_rng(0).gamma(2, 1, 300)
    kept = loss.copy()
    for look in (curves.shape, curves.divergence, curves.stillness, curves.bouncing, curves.pace, curves.outlook):
        assert look(loss) == look(loss.tolist())
    assert np.array_equal(loss, kept)
