"""Shape, divergence, rest and bounce of curves whose truth is known."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from thalweg.diagnosis import curves
from thalweg.diagnosis.curves.windows import autocorrelation, finite, levels, repeat_length, without_repeat

_spec = importlib.util.spec_from_file_location("makers", Path(__file__).with_name("makers.py"))
makers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(makers)

T = np.arange(1000)


def rng():
    return np.random.default_rng(0)


def test_levels_and_noise_are_those_that_were_put_in():
    loss = 0.5 + 2 * np.exp(-T / 100) + 0.1 * rng().normal(size=1000)
    found = curves.shape(loss, floor=1.5)
    assert found.fell and not found.rose
    assert found.start == pytest.approx(2.5, abs=0.25) and found.end == pytest.approx(0.5, abs=0.03)
    assert found.noise == pytest.approx(0.1, rel=0.2) and found.wander == pytest.approx(1, abs=0.3)
    assert found.kept == pytest.approx(1, abs=0.05) and found.best <= found.end and found.best_step > 500
    assert found.share_to_floor == pytest.approx(2, rel=0.3) and found.share_to_zero == pytest.approx(0.8, abs=0.05)


def test_a_fall_that_is_over_after_ten_steps_counts_from_its_start():
    found = curves.shape(0.1 + 2.2 * np.exp(-T / 5) + 0.01 * rng().normal(size=1000))
    assert found.fell and found.start > 1.5


def test_nan_is_left_out_and_too_little_is_none():
    loss = np.where(T % 50 == 7, math.nan, 2 * np.exp(-T / 200))
    assert curves.shape(loss).fell and curves.shape(loss).steps == 980
    for short in ([], [1.0, 2.0], [math.nan] * 50):
        assert curves.shape(short) is curves.stillness(short) is curves.pace(short) is curves.outlook(short) is None
        assert curves.loss_noise(short) is curves.bouncing(short) is curves.starvation(short, short) is None
        assert curves.divergence(short).climb is None
    assert curves.schedule([]) is curves.schedule([math.nan]) is None


@pytest.mark.parametrize("loss", [[1e300, -1e300] * 20, [1e308] * 30, [0.0] * 30, [1e-40] * 30, list(range(30))])
def test_odd_numbers_break_nothing(loss):
    rates = [0.0] * len(loss)
    for look in (curves.shape, curves.divergence, curves.stillness, curves.bouncing, curves.pace, curves.loss_noise):
        look(loss)
    curves.outlook(loss, rates)
    curves.schedule(rates)
    curves.starvation(loss, rates)


def test_what_a_curve_falls_to_is_compared_with_its_fall_below_zero():
    found = curves.shape(1 - 4 * (1 - np.exp(-T / 100)) + 0.01 * rng().normal(size=1000))
    assert not found.nonnegative and found.share_to_zero is None and found.scale == pytest.approx(4, rel=0.1)


class TestDivergence:
    def test_climbed_and_lost(self):
        loss = [2.0, 2.2, 2.1, 9.0, 300.0, 1e9, math.inf, math.nan, math.nan]
        found = curves.divergence(loss).lost
        assert (found.step, found.kind, found.back, found.climbed) == (6, "inf", False, True) and found.share == 1

    def test_lost_out_of_the_blue(self):
        found = curves.divergence([2.0, 1.8, 1.5, 1.2, 1.1, math.nan, math.nan]).lost
        assert found.kind == "nan" and not found.climbed
        assert math.isnan(curves.divergence([math.nan] * 5).lost.growth)

    def test_one_lost_batch_is_back(self):
        loss = 2 * np.exp(-T / 200)
        loss[500] = math.nan
        found = curves.divergence(loss).lost
        assert found.back and found.share < 0.01 and not found.climbed

    @pytest.mark.parametrize("at", [0, 3, 200])
    def test_climbed_and_stayed(self, at):
        loss = 2 * np.exp(-T / 2000) + 0.01 * rng().normal(size=1000)
        loss[at:] = np.minimum(4e4, 2 * 10 ** (np.minimum(T[at:] - at, 60) * 0.5)) * np.exp(
            0.2 * rng().normal(size=1000 - at)
        )
        climb = curves.divergence(loss).climb
        assert climb.stayed and climb.sudden and climb.exploded and climb.growth > 1000

    def test_spikes_that_come_back(self):
        loss = 2 * np.exp(-T / 200) + 0.01 * rng().normal(size=1000)
        loss[[300, 301, 302, 640]] += 30
        found = curves.divergence(loss)
        assert found.climb is None and not found.spikes.open
        assert (found.spikes.count, found.spikes.longest) == (2, 3) and found.spikes.highest > 30

    def test_the_weight_of_a_second_term_is_raised(self):
        loss = 0.3 + np.exp(-T / 60) + 0.9 * np.minimum(1, T / 500) + 0.02 * rng().normal(size=1000)
        climb = curves.divergence(loss).climb
        assert climb is None or (not climb.stayed and climb.growth < 2)

    def test_a_generator_that_loses_slowly(self):
        exploded = 0
        for seed in range(60):
            noise = np.exp(0.25 * np.random.default_rng(seed).normal(size=1000))
            climb = curves.divergence((0.7 + 7 * (1 - np.exp(-T / 200))) * noise).climb
            assert climb.growth > 7 and climb.concave
            exploded += climb.exploded
        assert exploded == 0

    def test_a_loss_without_a_bottom_is_told_from_one_that_slows_down(self):
        for power in (1.0, 2.5):
            found = curves.divergence(1 - (T / 100) ** power + 0.2 * rng().normal(size=1000)).sinking
            assert found.endless and found.power == pytest.approx(power, rel=0.2)
        bounded = curves.divergence(1 - 4 * (1 - np.exp(-T / 250)) + 0.05 * rng().normal(size=1000)).sinking
        assert bounded is None or not bounded.endless
        assert curves.divergence(2 * np.exp(-T / 300)).sinking is None


class TestStillness:
    def test_constant_to_the_last_bit(self):
        found = curves.stillness([*np.linspace(3, 2, 20), *[2.0] * 60])
        assert found.constant_from == 19 and not found.constant and found.still_from is not None and found.fell
        assert curves.stillness([0.693] * 40).constant_from == 0

    def test_at_rest_after_a_first_fall(self):
        loss = 2.303 + 3 * np.exp(-T / 4) + 0.03 * rng().normal(size=1000)
        found = curves.stillness(loss, floor=2.3026)
        assert found.settled_at_once and not found.never_moved and found.at_floor and found.still_share > 0.9

    def test_noise_that_could_hide_a_fall_is_not_called_still(self):
        found = curves.stillness(makers.flat(rng(), 20, relative=0.5)[0])
        assert found.still_from is None and not found.never_moved

    def test_a_curve_that_creeps_is_not_still(self):
        assert not curves.stillness(2.3 * (1 - 0.05 * T / 1000) + 0.01 * rng().normal(size=1000)).never_moved

    def test_level_comparisons_at_a_loss_around_zero(self):
        found = curves.stillness(-1.5 + 0.02 * rng().normal(size=500))
        assert found.never_moved and found.scale == pytest.approx(1.5, rel=0.05)


class TestBouncing:
    def test_from_side_to_side(self):
        found = curves.bouncing(2 + 0.8 * (-1.0) ** T + 0.1 * rng().normal(size=1000))
        assert found.bounces and found.between_two and found.period == 2 and found.turns > 0.95
        assert found.levels == pytest.approx((1.2, 2.8), abs=0.1) and found.amplitude == pytest.approx(0.4, rel=0.1)

    def test_the_edge_of_stability_goes_down_meanwhile(self):
        path = 2 * np.exp(-T / 400)
        found = curves.bouncing(path * (1 + 0.3 * (-1.0) ** T))
        assert found.alternates and found.falling and not found.bounces

    def test_two_batches_of_different_difficulty_are_no_bounce(self):
        loss = 2 + 0.8 * (-1.0) ** T + 0.05 * rng().normal(size=1000)
        found = curves.bouncing(loss, epoch_starts=range(0, 1000, 2))
        assert found.by_data and not found.bounces

    @pytest.mark.parametrize("kind", ["normal", "gamma", "lognormal", "wander"])
    def test_noise_of_batches_is_no_bounce(self, kind):
        for seed in range(30):
            r = np.random.default_rng(seed)
            found = curves.bouncing(makers.noisy(r, np.full(300, 1.0), relative=0.4, kind=kind))
            assert not found.alternates and not found.between_two


class TestWindows:
    def test_a_repeat_is_found(self):
        pattern = rng().normal(size=17)
        loss = np.resize(pattern, 1000) + 5 * np.exp(-T / 100) + 0.3 * rng().normal(size=1000)
        assert repeat_length(loss) % 17 == 0 and repeat_length(loss, 17) == 17
        rest = without_repeat(loss, 17)
        assert rest.mean() == pytest.approx(loss.mean(), abs=0.01) and np.std(np.diff(rest)) < 0.6 * np.std(
            np.diff(loss)
        )

    def test_white_noise_and_a_wander_do_not_repeat(self):
        for seed in range(100):
            white = np.random.default_rng(seed).normal(size=600)
            assert repeat_length(white) == 1 and repeat_length(np.cumsum(white)) == 1
            assert without_repeat(white, 1) is white

    def test_autocorrelation_is_that_of_its_definition(self):
        v = rng().normal(size=50)
        v = np.clip(v, -2, 2)
        w = v - v.mean()
        plain = [float(w[: 50 - k] @ w[k:] / (w @ w)) for k in range(50)]
        assert np.allclose(autocorrelation(v), plain, atol=1e-9)
        assert not autocorrelation(np.ones(9)).any()

    def test_levels_are_medians_and_their_errors_are_right(self):
        white = rng().normal(size=(200, 1000))
        found = [levels(row) for row in white]
        assert len(found[0].values) == 31 and found[0].values[-1] == np.median(white[0, -32:])
        spread = np.std([f.values[5] for f in found])
        assert np.mean([f.errors[5] for f in found]) == pytest.approx(spread, rel=0.25)
        assert len(levels(np.arange(1000.0), length=30).values) == 33

    def test_infinite_values_are_left_out(self):
        steps, values = finite([1, math.inf, math.nan, 1e200])
        assert steps.tolist() == [0, 3] and values[1] == 1e100
