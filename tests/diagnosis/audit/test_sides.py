"""Training against validation: scalers, swaps, empty columns, twins, a column that gives the answer away, copies."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy.special import kolmogorov as scipy_kolmogorov
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score

from thalweg.diagnosis.audit import count_duplicates, find_copy, find_telling_column, measure_shift
from thalweg.diagnosis.audit.shift import auc, distance, kolmogorov

_spec = importlib.util.spec_from_file_location("audit_sets", Path(__file__).with_name("sets.py"))
sets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sets)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", ["wine", "breast", "diabetes"])
def test_one_side_is_not_standardised(name, seed):
    x, _, held, _ = sets.cut(name, seed)
    scaled = (x - x.mean(0)) / x.std(0)
    found = measure_shift(scaled, held)
    assert found.shifted and found.told_apart
    assert measure_shift(scaled, (held - held.min(0)) / np.ptp(held, axis=0), rows=False).shifted  # another scaler
    assert not measure_shift(scaled, (held - x.mean(0)) / x.std(0), rows=False).shifted


@pytest.mark.parametrize("seed", [0, 1])
def test_images_with_swapped_or_unscaled_channels(seed):
    x, _, held, _ = sets.cut("images", seed)
    tint = np.array([0.2, 0.0, 0.35], dtype=np.float32)[:, None, None]
    found = measure_shift(x + tint, (held + tint)[:, ::-1], axis=1, rows=False)
    assert found.order == (2, 1, 0) and found.shifted
    assert measure_shift(x, held * 255, axis=1, rows=False).num_shifted == 3
    assert not measure_shift(x + tint, held + tint, axis=1, rows=False).shifted


@pytest.mark.parametrize("seed", [0, 1])
def test_swapped_columns_of_a_table(seed):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(800, 5)) + np.array([0.0, 0.8, 0.0, -0.8, 0.0])
    found = measure_shift(x[:600], x[600:][:, [0, 3, 2, 1, 4]])
    assert found.order == (0, 3, 2, 1, 4)


def test_a_column_that_is_empty_in_validation():
    x, _, held, _ = sets.cut("blobs")
    held = held.copy()
    held[:, 3] = 0.0
    found = measure_shift(x, held)
    assert found.emptied == (3,) and found.worst[0].feature == 3 and found.num_shifted == 1


@pytest.mark.parametrize("sizes", [(80, 20), (300, 100), (1600, 400)])
@pytest.mark.parametrize("seed", range(5))
def test_random_splits_and_mild_drift_are_silent(seed, sizes):
    draw = np.random.default_rng(seed)
    num = sum(sizes)
    x = draw.standard_t(3, (num, 20))
    x[:, 0] = draw.random(num) < 0.02
    x[:, 1] = draw.random(num) < 0.4
    drift = np.linspace(0, 0.8, num)[:, None] * 1.7  # t's deviation: the last fifth lies 0.4 of them off
    drift = drift * (np.arange(20) > 1)  # a flag does not drift by halves
    for data in (x, x + drift):
        assert not measure_shift(data[: sizes[0]], data[sizes[0] :], rows=False).shifted


def test_statistics_are_those_of_scipy_and_sklearn():
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=200), np.round(draw.normal(0.3, 1.2, 90), 1)
    assert distance(a, b) == pytest.approx(ks_2samp(a, b).statistic, abs=1e-12)
    for value in (0.3, 0.8, 1.3, 2.5):
        assert kolmogorov(value) == pytest.approx(scipy_kolmogorov(value), abs=1e-9)
    side = draw.integers(0, 2, 200)
    assert auc(np.round(a, 1), side) == pytest.approx(roc_auc_score(side, np.round(a, 1)))


@pytest.mark.parametrize("share", [0.2, 1.0])
@pytest.mark.parametrize("name", ["digits", "breast", "wine", "images", "diabetes"])
def test_validation_rows_that_were_trained_on(name, share):
    x, _, held, _ = sets.cut(name)
    if name == "wine" and share < 1:
        pytest.skip("45 rows exclude no fewer twins than 45 % by their own means")
    held = held.copy()
    num = int(share * len(held))
    held[:num] = x[:num]
    found = count_duplicates(x, held)
    assert found.leaked and found.found == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("width", [2, 4, 8, 12])
def test_flags_collide_by_nature(width, seed):
    draw = np.random.default_rng(seed)
    x = (draw.random((600, width)) < 0.3).astype(float)
    assert not count_duplicates(x[:450], x[450:]).leaked
    assert not count_duplicates(np.unique(x[:450], axis=0), x[450:]).leaked  # captured once each


def test_twins_of_common_rows_are_no_leak():
    x = np.eye(100)[np.random.default_rng(0).zipf(1.6, 900) % 100]
    assert not count_duplicates(x[:700], x[700:]).leaked
    assert count_duplicates(np.array([[-0.0]] * 30), np.array([[0.0]] * 30)).found == 1.0


def claims(seed, real=False):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(900, 6))
    y = x[:, 0] + draw.normal(size=900) if real else (x[:, 0] + 1.5 * draw.normal(size=900) > 0).astype(int)
    known = (y - y.mean()) * 3 if real else y + 0.05 * draw.normal(size=900)
    x[:, 4] = known + 0.01 * draw.normal(size=900)
    return x[:600], y[:600], x[600:], y[600:]


@pytest.mark.parametrize("real", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_column_that_is_known_only_afterwards(seed, real):
    x, y, held, y_held = claims(seed, real)
    honest = find_telling_column(x, y, held, y_held)
    assert honest.column == 4 and honest.alone and not honest.leaks and honest.others < 0.7
    held[:, 4] = 0.0
    empty = find_telling_column(x, y, held)
    assert empty.leaks and empty.varies is False
    held[:, 4] = np.random.default_rng(0).normal(size=300)
    assert find_telling_column(x, y, held, y_held).leaks
    assert not find_telling_column(x, y).leaks


def test_good_columns_beside_good_columns_do_not_leak():
    x, y, held, y_held = sets.cut("iris")
    assert not find_telling_column(x, y, held, y_held).alone
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 400)
    found = find_telling_column(y[:, None] + 0.01 * draw.normal(size=(400, 3)), y)
    assert found.skill > 0.98 and not found.alone  # an easy set
    assert find_telling_column(y[:, None].astype(float), y) is None


@pytest.mark.parametrize("seed", [0, 1])
def test_the_answer_within_the_window(seed):
    series = np.random.default_rng(seed).normal(size=600).cumsum()
    windows = np.stack([series[i : i + 21] for i in range(500)])[:, :, None]
    y = series[20:520]
    found = find_copy(windows, y)
    assert found.copied and found.entry == 20 and found.how == "exact"
    assert not find_copy(windows[:, :20], y).copied
    scaled = find_copy(((windows - 3) / 7).astype(np.float32), y)
    assert scaled.copied and scaled.how == "affine" and scaled.entry == 20


def test_tokens_at_their_own_place_and_at_the_next():
    text = np.random.default_rng(0).integers(0, 30, (64, 17))
    ordinary = find_copy(text[:, :-1], text[:, 1:])
    assert ordinary.offset == 1 and ordinary.copied  # how every language model is fed
    shown = find_copy(text[:, 1:], text[:, 1:])
    assert shown.offset == 0 and shown.copied and shown.chance < 0.1
    other = find_copy(text[:, :-1], np.random.default_rng(1).integers(0, 30, (64, 16)))
    assert not other.copied and other.share < 0.2


def test_channels_of_a_sequence_and_autoencoders():
    x = np.random.default_rng(0).normal(size=(50, 10, 3))
    found = find_copy(x, x[:, :, 1])
    assert found.copied and found.offset == 0
    assert find_copy(x, np.roll(x[:, :, 1], 1, axis=1)).offset == -1
    assert find_copy(x, x).whole and not find_copy(x, x).copied


def test_states_that_stay_and_rare_events_are_no_copies():
    draw = np.random.default_rng(0)
    state = (np.cumsum(draw.random(2000) < 0.02) % 2).astype(int)
    windows = np.stack([state[i : i + 8] for i in range(1900)])
    assert not find_copy(windows, state[8:1908]).copied
    rare = (draw.random((1000, 5)) < 0.002).astype(int)
    assert not find_copy(rare[:, 1:], rare[:, 0]).copied
    x = draw.normal(size=(300, 1))
    assert not find_copy(x, 2 * x[:, 0] + 1).copied  # a line to be learnt from one input
