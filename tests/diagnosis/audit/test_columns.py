"""Columns that cannot help: each planted into a healthy table, raw and standardised."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from thalweg.diagnosis.audit import find_bad_columns

_spec = importlib.util.spec_from_file_location("audit_sets", Path(__file__).with_name("sets.py"))
sets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sets)


def table(seed=0, num=400):
    draw = np.random.default_rng(seed)
    return np.stack(
        [draw.normal(37, 1, num), draw.normal(80, 12, num), draw.integers(0, 90, num), draw.lognormal(0, 1, num)],
        axis=1,
    )


@pytest.mark.parametrize("scale", [lambda x: x, sets.z, lambda x: sets.z(x).astype(np.float32)])
@pytest.mark.parametrize(("code", "share"), [(-9999, 0.02), (-9999, 0.7), (9999, 0.1), (999, 0.3), (-9999, 0.006)])
@pytest.mark.parametrize("seed", [0, 1])
def test_codes_for_missing(seed, code, share, scale):
    x = table(seed, 1000)
    x[np.random.default_rng(seed).random(len(x)) < share, 1] = code
    (found,) = find_bad_columns(scale(x)).sentinels
    assert found.column == 1 and len(found.values) == 1 and found.share == pytest.approx(share, abs=0.05)
    assert found.left < 0.2


def test_several_codes_and_minus_one_beside_small_readings():
    x = table(3)
    x[:30, 0], x[30:60, 0] = -9999, -8888
    x[:40, 3] = -1
    x[40:, 3] = 0.5 + 0.01 * np.random.default_rng(0).random(360)
    codes = {one.column: one.values for one in find_bad_columns(x).sentinels}
    assert codes == {0: (-9999.0, -8888.0), 3: (-1.0,)}


def test_what_looks_like_a_code():
    draw = np.random.default_rng(0)
    x = table(0, 1000)
    x[:, 0] = draw.random(1000) < 0.01  # a rare flag
    x[:, 1] = draw.poisson(0.05, 1000) * 50  # counts of a rare thing
    x[:, 2] = np.where(draw.random(1000) < 0.6, 0.0, draw.lognormal(3, 1, 1000))  # zero-inflated
    x[0, 3] = 1e4  # one outlier
    x = np.concatenate([x, draw.standard_t(2, (1000, 3)), draw.choice([1.0, 2.0, 100.0], (1000, 1))], axis=1)
    assert find_bad_columns(x).sentinels == () and find_bad_columns(sets.z(x)).sentinels == ()


def test_constant_double_and_holed_columns():
    x = np.concatenate([table(), table()[:, [1]] * 2.5 + 4, np.full((400, 1), 3.3)], axis=1)
    x[7, 3] = np.inf
    found = find_bad_columns(x)
    assert found.constant == (5,) and found.duplicate == ((1, 4),) and found.holed == ((3, pytest.approx(1 / 400)),)
    assert find_bad_columns(np.concatenate([sets.z(table()), -sets.z(table())], axis=1)).duplicate == ()


def test_row_numbers():
    x = table(num=300)
    numbered = np.concatenate([x, np.random.default_rng(0).permutation(300)[:, None] + 1000], axis=1)
    assert find_bad_columns(numbered).numbered == (4,) and find_bad_columns(numbered[::2]).numbered == (4,)
    assert find_bad_columns(x).numbered == ()
    assert find_bad_columns(np.linspace(-3, 3, 200)[:, None]).numbered == ()  # a grid to fit a curve on
    assert find_bad_columns(np.arange(200.0)[:, None]).numbered == ()
