"""Labels: independent of inputs, flipped at random, rare; each beside data that only look so."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, recall_score

from thalweg.diagnosis.audit import count_classes, measure_dependence, measure_label_noise
from thalweg.diagnosis.audit.noise import wilson

_spec = importlib.util.spec_from_file_location("audit_sets", Path(__file__).with_name("sets.py"))
sets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sets)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["breast", "diabetes", "windows", "tokens"])
def test_shuffled_targets_are_independent(name, seed):
    x, y = sets.healthy(name)
    found = measure_dependence(x, np.random.default_rng(seed).permutation(y))
    assert found.independent and abs(found.strength) < 0.15 and found.skill < 0.1


@pytest.mark.parametrize("name", ["breast", "diabetes", "windows", "tokens", "friedman", "moons", "rare"])
def test_healthy_targets_are_not(name):
    found = measure_dependence(*sets.healthy(name))
    assert found.p < 0.01 and found.strength > 0.2


def test_a_weak_dependence_is_found_and_called_weak():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1200, 5))
    found = measure_dependence(x, 0.35 * x[:, 0] + draw.normal(size=1200))
    assert found.p < 0.05 and not found.independent and 0.1 < found.strength < 0.5 and found.score < 0.2


def test_few_rows_say_nothing():
    draw = np.random.default_rng(0)
    found = measure_dependence(draw.normal(size=(100, 4)), draw.normal(size=100))
    assert not found.independent and found.detectable == pytest.approx(0.25)


def test_false_positives_are_as_many_as_p_says():
    draw = np.random.default_rng(0)
    p = [measure_dependence(draw.normal(size=(60, 3)), draw.integers(0, 2, 60)).p for _ in range(12)]
    assert np.mean(np.array(p) < 0.05) <= 0.25 and 0.25 < np.mean(p) < 0.75


def test_copies_of_one_example_stay_together():
    """Shuffled labels of augmented copies look predictable unless copies are kept in one fold."""
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 5)
    x = draw.normal(size=(100, 6))[groups] + 0.01 * draw.normal(size=(500, 6))
    y = draw.integers(0, 2, 100)[groups]
    assert measure_dependence(x, y).p < 0.01
    assert measure_dependence(x, y, groups=groups).p > 0.01


@pytest.mark.parametrize("share", [0.2, 0.4])
@pytest.mark.parametrize("seed", [0, 1])
def test_flips_are_found_and_measured(share, seed):
    x, y = sets.healthy("digits")
    found = measure_label_noise(x, sets.flipped(y, share, 10, seed))
    assert found.flipped and found.low - 0.02 < share < found.high + 0.02
    assert found.confident == pytest.approx(share, abs=0.06)


def test_flips_of_two_classes_and_given_probabilities():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1500, 6))
    truth = (x[:, 0] + x[:, 1] > 0).astype(int)
    y = sets.flipped(truth, 0.15, 2)
    assert measure_label_noise(x, y).flipped
    sure = 1 / (1 + np.exp(-8 * (x[:, 0] + x[:, 1])))
    given = measure_label_noise(x, y, probabilities=np.stack([1 - sure, sure], axis=1))
    assert given.model == "given" and given.flipped and given.low < 0.15 < given.high


@pytest.mark.parametrize("seed", range(2))
def test_overlap_is_no_noise(seed):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(1500, 4))
    for slope in (1.0, 2.0):
        y = (draw.random(1500) < 1 / (1 + np.exp(-slope * x[:, 0]))).astype(int)
        found = measure_label_noise(x, y)
        assert not found.flipped and found.confident > 0.1  # confident learning alone would have called it noise
        assert found.profile[0] < found.profile[2]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_task_too_hard_for_quick_models_is_no_noise(seed):
    """The label is the token behind a marker: exact, but hardly to be found by models of positions and counts."""
    draw = np.random.default_rng(seed)
    x = draw.integers(1, 9, (300, 10))
    place = draw.integers(0, 9, 300)
    x[np.arange(300), place] = 0
    found = measure_label_noise(x, x[np.arange(300), place + 1])
    assert not found.flipped and found.profile[0] > 0.1


def test_tokens_of_a_large_vocabulary_are_counted():
    draw = np.random.default_rng(0)
    x = np.minimum(draw.zipf(1.3, (1200, 15)), 3000)
    worth = draw.normal(size=3001)
    found = measure_dependence(x, (worth[x].mean(1) > np.median(worth[x].mean(1))).astype(int))
    assert found.p < 0.01 and not found.independent


def test_labels_that_are_all_chance_are_not_called_noisy():
    x, y = sets.healthy("breast")
    assert not measure_label_noise(x, np.random.default_rng(0).permutation(y)).flipped
    assert measure_label_noise(*sets.healthy("diabetes-z")) is None or sets.healthy("diabetes")[1].dtype.kind == "f"


def test_wilson_is_the_published_interval():
    """Newcombe (1998), table I, method 3: 81 of 263 and 0 of 20."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_classes_and_how_they_fare():
    draw = np.random.default_rng(0)
    y = (draw.random(2000) < 0.04).astype(int)
    guess = np.where(draw.random(2000) < 0.5, y, 0)
    found = count_classes(y, guess)
    assert found.rare and found.majority > 0.95 and not found.constant and found.missed == ()
    assert found.recall == pytest.approx(recall_score(y, guess, average=None))
    assert found.balanced_accuracy == pytest.approx(balanced_accuracy_score(y, guess))
    silent = count_classes(y, np.zeros(2000, dtype=int))
    assert silent.constant and silent.missed == (1,) and silent.accuracy == found.majority


def test_even_classes_are_no_imbalance():
    found = count_classes(np.arange(300) % 3, np.arange(300) % 3)
    assert not (found.rare or found.constant or found.missed) and found.accuracy == 1.0
    assert not count_classes(np.array([0] * 70 + [1] * 30)).rare
    assert count_classes(np.linspace(0, 1, 50)) is None
