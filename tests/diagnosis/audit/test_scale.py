"""Scale of inputs, inputs divided twice, scale and kind of targets; plain descent is the oracle."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from thalweg.diagnosis.audit import describe_targets, measure_scale, measure_shrinkage
from thalweg.diagnosis.audit.scale import slowdown

_spec = importlib.util.spec_from_file_location("audit_sets", Path(__file__).with_name("sets.py"))
sets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sets)


def house(seed=0):
    draw = np.random.default_rng(seed)
    x = np.stack(
        [draw.normal(1500, 400, 400), draw.integers(1, 6, 400), draw.normal(1985, 20, 400), draw.random(400)], axis=1
    )
    return x, sets.z(x) @ np.array([1.0, 0.5, -0.3, 0.7]) + 0.2 * draw.normal(size=400)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_features_in_unlike_units(seed):
    x, y = house(seed)
    raw, scaled = measure_scale(x, y), measure_scale(sets.z(x), y)
    assert raw.uneven and raw.large and raw.off_centre and raw.slow and raw.form == "raw"
    assert (raw.largest, raw.smallest) == (0, 3)
    assert not (scaled.uneven or scaled.large or scaled.off_centre or scaled.slow) and scaled.form == "standardised"
    assert raw.condition > 1e4 * raw.condition_standardised


@pytest.mark.parametrize("name", ["wine", "breast", "diabetes"])
def test_bundled_tables_are_raw_until_standardised(name):
    assert measure_scale(*sets.healthy(name)).slow and measure_scale(*sets.healthy(name)).uneven
    found = measure_scale(*sets.healthy(f"{name}-z"))
    assert not (found.uneven or found.slow or found.large or found.off_centre)


@pytest.mark.parametrize(
    "name", ["iris", "digits", "words", "one-hot", "flags", "tokens", "images", "heavy", "friedman", "windows"]
)
def test_scales_that_harm_nobody(name):
    found = measure_scale(*sets.healthy(name))
    assert not (found.uneven or found.slow or found.large or found.off_centre)


def test_dark_margins_do_not_make_images_uneven():
    x, y = sets.healthy("digits")
    for moved in (x / 8 - 1, (x - x.mean()) / x.std(), sets.z(x)):
        found = measure_scale(moved, y)
        assert not (found.uneven or found.slow or found.large or found.off_centre)


def test_values_far_out_are_no_fault():
    x, y = sets.healthy("heavy")
    assert np.abs(x).max() > 8  # z-scores
    assert not measure_scale(x, y).uneven


def test_images_are_measured_by_channel():
    x, _ = sets.healthy("images")
    bright = x * np.array([255.0, 1.0, 1.0])[:, None, None]
    assert measure_scale(x).means.shape == (3,) and not measure_scale(x).uneven
    assert measure_scale(bright).uneven and measure_scale(bright).largest == 0
    assert measure_scale(bright.transpose(0, 2, 3, 1), axis=3).largest == 0


@pytest.mark.parametrize(
    ("x", "form"),
    [
        (np.random.default_rng(0).random((50, 3)), "unit"),
        (np.random.default_rng(0).random((50, 3)) * 2 - 1, "symmetric"),
        (np.random.default_rng(0).normal(size=(500, 3)), "standardised"),
        (np.random.default_rng(0).integers(0, 9, (50, 3)), "integers"),
        (np.random.default_rng(0).normal(5, 2, (50, 3)), "raw"),
        (np.ones((50, 3)), "constant"),
    ],
)
def test_forms(x, form):
    assert measure_scale(x).form == form


@pytest.mark.parametrize("factor", [1.0, 3.0, 10.0])
def test_slowdown_is_what_gradient_descent_does(factor):
    """Descend on a linear model, step by step, until a tenth of the explicable square is left."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(500, 3)) * np.array([factor, 1.0, 1.0])
    y = x @ np.array([1 / factor, 1.0, -1.0])

    def steps(x):
        x, t = x - x.mean(0), (y - y.mean()) / y.std()
        rate = 1 / np.linalg.eigvalsh(x.T @ x / len(x))[-1]
        w = np.zeros(3)
        for step in range(1, 100_000):
            w += rate * x.T @ (t - x @ w) / len(x)
            if np.mean((t - x @ w) ** 2) <= 0.1:
                return step
        raise AssertionError

    # whole steps against fractions of one: the standardised problem takes one or two
    ours = slowdown(x, y)
    assert ours == pytest.approx(steps(x) / steps(sets.z(x)), rel=0.6)
    assert ours > factor**2 / 3


def test_no_slowdown_without_a_target_that_is_explained():
    draw = np.random.default_rng(0)
    assert slowdown(draw.normal(size=(300, 4)), draw.normal(size=300)) is None


def pixels(seed, shape=(200, 8, 8), levels=255):
    draw = np.random.default_rng(seed)
    x = draw.integers(0, levels + 1, shape) * (draw.random(shape) < 0.4)
    return x.astype(np.float32)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pixels_divided_twice(seed):
    found = measure_shrinkage(pixels(seed) / 255 / 255)
    assert found.shrunken and found.divisor == 255
    assert not measure_shrinkage(pixels(seed) / 255).tiny and not measure_shrinkage(pixels(seed)).tiny


def test_grey_levels_stretched_over_a_byte_and_divided_twice():
    x = (sets.healthy("digits")[0] / 16 * 255).astype(np.uint8).astype(np.float32)
    found = measure_shrinkage(x / 255 / 255)
    assert found.shrunken and found.divisor == 255  # though neighbouring levels lie 15 or 16 steps apart
    assert not measure_shrinkage(x / 255).shrunken


def test_digits_divided_twice_and_normalised_after():
    x, _ = sets.healthy("digits")
    assert measure_shrinkage(x / 16 / 255).shrunken and measure_shrinkage(x / 255 / 16).shrunken
    assert not measure_shrinkage(x / 16).tiny
    found = measure_shrinkage((pixels(0) / 255 / 255 - np.float32(0.1307)) / np.float32(0.3081))
    assert found.shrunken and found.divisor is None  # not at the origin any more


def test_what_is_small_by_nature():
    draw = np.random.default_rng(0)
    counts = draw.multinomial(500, np.ones(300) / 300, size=200)
    one_hot = np.zeros((200, 5000), dtype=np.float32)
    one_hot[np.arange(200), draw.integers(0, 5000, 200)] = 1
    returns = draw.normal(0, 0.01, size=(300, 20))
    assert not measure_shrinkage(counts / 500).tiny  # frequencies
    assert not measure_shrinkage(one_hot).tiny
    assert measure_shrinkage(returns).tiny and not measure_shrinkage(returns).shrunken  # a small unit, not a division


def test_kinds_of_targets():
    draw = np.random.default_rng(0)
    y = draw.integers(0, 4, 200)
    hot = np.eye(4)[y]
    soft = draw.dirichlet(np.ones(4), 200)
    kinds = {
        "classes": y, "binary": (y > 1).astype(np.float32), "signs": np.where(y > 1, 1.0, -1.0), "one-hot": hot,
        "multi-label": draw.integers(0, 2, (200, 5)).astype(np.float32), "probabilities": soft,
        "real": draw.normal(size=200), "constant": np.zeros(200),
    }  # fmt: skip
    assert {kind: describe_targets(value).kind for kind, value in kinds.items()} == {kind: kind for kind in kinds}
    assert describe_targets(y > 1).kind == "binary" and describe_targets(y[:, None]).kind == "classes"
    assert describe_targets(hot).counts == describe_targets(y).counts == tuple(np.bincount(y))
    assert describe_targets(np.append(y, -100)).counts == tuple(np.bincount(y))


def test_entropy_is_the_cross_entropy_of_the_best_constant():
    y = np.array([0] * 90 + [1] * 10)
    assert describe_targets(y).entropy == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)))
    assert describe_targets(y).majority == 0.9


def test_far_and_unlike_targets():
    draw = np.random.default_rng(0)
    y = draw.normal(size=(300, 2))
    assert describe_targets(sets.healthy("diabetes")[1].astype(float)).far
    assert describe_targets(200 + y).far and describe_targets(y * [100.0, 1.0]).unlike
    assert not describe_targets(y).far and not describe_targets(y * [5.0, 1.0]).unlike
    assert not describe_targets(draw.integers(0, 100, 300)).far  # class numbers have no scale
