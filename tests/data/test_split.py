import numpy as np
import pytest

from thalweg.core import DataError, UsageError
from thalweg.data import Split
from thalweg.data.split import lone_classes

TARGETS = np.repeat([0, 1, 2], [100, 40, 20])


def test_parts_are_disjoint_and_complete():
    parts = Split().rows(TARGETS, "classification", 0)
    assert [len(part) for part in parts] == [120, 16, 24]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(160))
    assert all(np.array_equal(part, np.sort(part)) for part in parts)


@pytest.mark.parametrize("seed", range(5))
def test_each_part_holds_each_class_in_proportion(seed):
    for part in Split().rows(TARGETS, "classification", seed):
        share = np.bincount(TARGETS[part], minlength=3) / len(part)
        np.testing.assert_allclose(share, [100 / 160, 40 / 160, 20 / 160], atol=0.05)


def test_without_stratify_the_shares_vary_but_every_class_is_trained_on():
    targets = np.repeat([0, 1], [97, 3])
    for seed in range(20):
        train, _, _ = Split(stratify=False, validation=0.4, test=0.4).rows(targets, "classification", seed)
        assert set(targets[train]) == {0, 1}


def test_depends_on_the_seed_alone():
    first, again, other = (Split().rows(TARGETS, "classification", seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_lone_class_goes_into_training():
    targets = np.array([0] * 20 + [1] * 20 + [2])
    for seed in range(10):
        assert 40 in Split().rows(targets, "classification", seed)[0]
    assert lone_classes(targets, 3) == [2]


def test_language_is_cut_in_order():
    train, validation, test = Split(validation=0.1, test=0.2).rows(np.zeros(100), "language", 3)
    assert (train[-1], validation[0], validation[-1], test[0], test[-1]) == (69, 70, 79, 80, 99)


def test_regression_is_shuffled():
    _, validation, test = Split().rows(np.linspace(0, 1, 200), "regression", 0)
    assert (len(validation), len(test)) == (20, 30)
    assert abs(np.median(test) - 100) < 50


@pytest.mark.parametrize("task", ["classification", "regression", "language"])
def test_zero_shares_give_empty_parts(task):
    train, validation, test = Split(validation=0.0, test=0.0).rows(TARGETS, task, 0)
    assert (len(train), len(validation), len(test)) == (160, 0, 0)


def test_too_few_examples_are_refused():
    with pytest.raises(DataError, match=r"3 examples are too few.*Split\(validation=0, test=0\)"):
        Split().rows(np.array([0, 1, 1]), "classification", 0)


def test_shares_must_leave_something():
    with pytest.raises(UsageError, match="must leave rows for training"):
        Split(validation=0.5, test=0.5)
    with pytest.raises(UsageError, match="must lie in"):
        Split(test=-0.1)
