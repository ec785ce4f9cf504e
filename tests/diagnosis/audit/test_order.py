"""The order of rows: sorted, in blocks, along time; shuffled, balanced, whole and single batches are no fault."""

import numpy as np
import pytest

from thalweg.diagnosis.audit import measure_order


def batches(y, size):
    return [y[i : i + size] for i in range(0, len(y), size)]


def labels(seed, num=600, classes=5):
    return np.random.default_rng(seed).integers(0, classes, num)


@pytest.mark.parametrize("size", [8, 32, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_sorted_classes(seed, size):
    found = measure_order(batches(np.sort(labels(seed)), size))
    assert found.sorted and found.purity > 0.5 and found.purity_p < 0.01 and found.within < 0.6 * found.overall


def test_sorted_as_one_hot_and_as_bits():
    y = np.sort(labels(0))
    assert measure_order(batches(np.eye(5)[y], 32)).purity == pytest.approx(measure_order(batches(y, 32)).purity)
    assert measure_order(batches((y > 2).astype(np.float32), 32)).sorted


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sorted_numbers_and_slow_series(seed):
    draw = np.random.default_rng(seed)
    assert measure_order(batches(np.sort(draw.normal(size=500)), 25)).sorted
    assert measure_order(batches(np.sin(np.arange(600) / 40) + 0.1 * draw.normal(size=600), 20)).sorted


def test_single_rows_are_judged_by_their_neighbours():
    assert measure_order(batches(np.sort(labels(0)), 1)).sorted
    assert not measure_order(batches(labels(0), 1)).sorted


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [1, 2, 16, 64])
def test_shuffled(seed, size):
    draw = np.random.default_rng(100 + seed)
    assert not measure_order(batches(labels(seed), size)).sorted
    assert not measure_order(batches(draw.normal(size=300), size)).sorted
    assert not measure_order(batches((draw.random(300) < 0.03).astype(int), size)).sorted  # a rare class


def test_balanced_batches_and_whole_sets_are_no_fault():
    assert measure_order(batches(np.arange(600) % 5, 25)).purity <= 0
    assert not measure_order([np.sort(labels(0))]).sorted  # one batch of everything has no order


def test_p_is_uniform_by_chance():
    p = [measure_order(batches(labels(seed, 120, 3), 12)).purity_p for seed in range(40)]
    assert 0.3 < np.mean(p) < 0.7 and np.mean(np.array(p) < 0.1) < 0.25


def test_purity_is_the_share_of_variance_between_batches():
    y = np.repeat([0, 1], 50)
    assert measure_order(batches(y, 50)).purity == 1.0
    assert measure_order([np.array([0, 1] * 10)] * 3).purity < 0


def test_what_has_no_order_is_declined():
    assert measure_order([]) is None and measure_order([np.zeros(50)]) is None
    assert measure_order([np.zeros((8, 12), dtype=int), np.ones((8, 12), dtype=int)]) is None  # tokens
    assert measure_order([np.array([0, 1])]) is None
