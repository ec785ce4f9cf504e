"""Outlook, pace, schedule, starvation, gap: what a run would still gain, and what its rate did."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from thalweg.diagnosis import curves
from thalweg.diagnosis.curves.outlook import continued

_spec = importlib.util.spec_from_file_location("makers", Path(__file__).with_name("makers.py"))
makers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(makers)

T = np.arange(1000)


def rng(seed=0):
    return np.random.default_rng(seed)


class TestOutlook:
    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            (lambda t: 0.3 + np.exp(-t / 0.6), "exp"),
            (lambda t: 0.3 + (1 + t / 0.02) ** -0.6, "pow"),
            (lambda t: 3 - t, "line"),
        ],
    )
    def test_the_interval_holds_the_truth(self, path, kind):
        held = 0
        for seed in range(60):
            loss = path(np.linspace(0, 1, 800)) + 0.03 * rng(seed).normal(size=800)
            gain = curves.outlook(loss).gain
            held += gain.low <= path(1.0) - path(2.0) <= gain.high
        assert held >= 54

    def test_an_exact_exponential_is_continued_exactly(self):
        t = np.linspace(0.3, 1, 20)
        tau = float(np.geomspace(0.06, 3, 14)[9])
        gain, level = continued(t, 1 + np.exp(-t / tau), np.full(20, 1e-9))
        assert level == pytest.approx(1 + np.exp(-1 / tau), rel=1e-3)
        assert gain.low <= np.exp(-1 / tau) - np.exp(-2 / tau) <= gain.high

    def test_two_epochs_on_the_steep_part(self):
        loss = 2.3 - 0.9 * np.linspace(0, 1, 58) ** 1.3 + 0.05 * rng().normal(size=58)
        found = curves.outlook(loss, np.full(58, 1e-3))
        assert found.large and found.falling and not found.annealed and found.share_of_fall.estimate > 0.5

    def test_a_converged_net_whose_loss_halves_for_ever(self):
        found = curves.outlook(makers.noisy(rng(), 2.3 * (1 + T / 2) ** -1.0, relative=0.1, floor=0.0, kind="gamma"))
        assert found.share_of_loss.estimate > 0.3 and found.share_of_fall.high < 0.02 and not found.large

    def test_a_fall_that_the_schedule_made(self):
        loss = makers.noisy(rng(), 2 - 1.2 * T / 1000, relative=0.03)
        down, up = 0.1 * (1 - T / 1000), 0.1 * (1 + T) / 1000
        assert curves.outlook(loss).large and curves.outlook(loss, np.full(1000, 0.1)).large
        assert curves.outlook(loss, down).annealed and not curves.outlook(loss, down).large
        assert curves.outlook(loss, up).warming and not curves.outlook(loss, down).warming

    def test_a_fall_that_is_over(self):
        found = curves.outlook(0.5 + np.exp(-T / 60) + 0.05 * rng().normal(size=1000))
        assert not found.falling and abs(found.gain.estimate) < 0.02
        assert curves.outlook(makers.flat(rng(), 500)[0]) is None

    def test_no_more_than_all_can_be_gained(self):
        found = curves.outlook(3 - 2.9 * np.linspace(0, 1, 300))
        assert found.gain.high <= found.level


class TestPace:
    def test_too_low_a_rate(self):
        loss = 2.3 * (1 - 0.1 * T / 1000) + 0.02 * rng().normal(size=1000)
        found = curves.pace(loss, ratios=[3e-6, 1e-5, np.nan], floor=1.9)
        assert found.creeping and found.tiny_steps and not found.cut_short and found.far
        assert found.late_share == pytest.approx(0.5, abs=0.1) and found.moved == pytest.approx(6.5e-3)
        assert 5_000 < found.steps_to_zero < 15_000
        assert curves.pace(loss).creeping and curves.pace(loss[:200]).creeping is False

    def test_stopped_early_with_healthy_steps(self):
        found = curves.pace(2.3 * (1 - 0.2 * T / 1000) + 0.02 * rng().normal(size=1000), ratios=[[1e-3]])
        assert found.cut_short and not found.creeping and found.tiny_steps is False

    def test_a_run_that_slowed_down(self):
        found = curves.pace(0.2 + 2 * np.exp(-T / 150) + 0.02 * rng().normal(size=1000), ratios=[1e-5])
        assert not found.straight and not found.creeping and not found.cut_short and not found.far

    def test_below_the_floor_is_not_far(self):
        assert not curves.pace(2.3 * (1 - 0.1 * T / 1000), floor=2.25, ratios=[1e-5]).far


class TestSchedule:
    def rates(self, make, steps):
        weight = torch.nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=0.1)
        scheduler = make(optimizer)
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    def test_constant(self):
        found = curves.schedule(np.full(50, 1e-3))
        assert (
            found.constant and found.changes_at == "never" and found.half_life is found.period is found.warmup is None
        )

    def test_exponential(self):
        found = curves.schedule(self.rates(lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9), 200))
        assert found.half_life == pytest.approx(7) and found.gone_from == 66 and found.gone_early
        assert found.changes_at == "step" and found.gone_share == pytest.approx(134 / 200)

    def test_stairs_at_the_borders_of_epochs(self):
        starts = list(range(0, 1000, 50))
        plan = np.repeat(self.rates(lambda o: torch.optim.lr_scheduler.StepLR(o, 1, 0.8), 20), 50)
        for shift in (0, 1):
            found = curves.schedule(np.roll(plan, shift)[shift:], epoch_starts=starts)
            assert found.changes_at == "epoch" and found.changes == 19
        assert curves.schedule(plan).changes_at == "other"
        assert (
            curves.schedule(
                self.rates(lambda o: torch.optim.lr_scheduler.StepLR(o, 1, 0.999), 1000), epoch_starts=starts
            ).changes_at
            == "step"
        )
        assert curves.schedule([0.1] * 30 + [0.01] * 30).changes_at == "once"

    def test_cosine_to_nothing_is_no_early_end(self):
        found = curves.schedule(self.rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 400), 400))
        assert not found.gone_early and found.gone_share < 0.03 and found.warmup is None and not found.restarts

    def test_cosine_with_the_length_of_epochs_stepped_at_each_batch(self):
        found = curves.schedule(self.rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10), 400))
        assert found.period == 20 and not found.gone_early

    def test_restarts(self):
        found = curves.schedule(self.rates(lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 50), 200))
        assert found.restarts == (50, 100, 150) and found.period == 50

    def test_warm_up(self):
        def warm(o):
            return torch.optim.lr_scheduler.LinearLR(o, 0.01, 1.0, 100)

        found = curves.schedule(self.rates(warm, 300))
        assert found.warmup == 100 and not found.unfinished
        assert curves.schedule(self.rates(warm, 60)).unfinished
        assert curves.schedule(np.repeat(np.arange(1, 6) / 5, 40), epoch_starts=range(0, 200, 40)).unfinished
        one = curves.schedule(self.rates(lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 1.0, total_steps=401), 400))
        assert one.warmup == pytest.approx(120, abs=2) and not one.unfinished and not one.gone_early

    def test_a_rate_of_nothing(self):
        found = curves.schedule([0.0] * 40)
        assert found.constant and found.gone_from == 0 and found.gone_early


class TestStarvation:
    def run(self, seed, left):
        lr = 0.1 * 0.95**T
        done = np.cumsum(lr) / lr.sum()
        return makers.noisy(rng(seed), 0.05 + 2 * np.exp(-done * left), relative=0.05), lr

    def test_the_rate_stopped_the_loss(self):
        found = [curves.starvation(*self.run(seed, 0.8)) for seed in range(40)]
        assert sum(f.starved for f in found) >= 38 and found[0].step == 135 and found[0].gone_share > 0.8

    def test_the_loss_had_got_there(self):
        assert not any(curves.starvation(*self.run(seed, 8)).starved for seed in range(40))

    def test_most_of_the_loss_is_left(self):
        found = curves.starvation(2.3 - 0.02 * (1 - 0.9**T) + 0.03 * rng().normal(size=1000), 0.9**T)
        assert found.stranded and found.left > 0.95

    def test_no_word_of_a_rate_that_stays(self):
        assert curves.starvation(2 * np.exp(-T / 100), np.full(1000, 0.1)) is None


class TestGap:
    def curves_of(self, seed, turn, count=30):
        e, r = np.arange(count), rng(seed)
        train = 0.05 + 2 * np.exp(-e / 8) + 0.01 * r.normal(size=count)
        held = 0.6 + 1.5 * np.exp(-e / 5) + turn * np.maximum(0, e - 10) + 0.02 * r.normal(size=count)
        return e * 100, train, held

    def test_overfitting_is_seen_and_healthy_runs_are_not(self):
        assert sum(curves.gap(*self.curves_of(s, 0.03)).overfits for s in range(60)) >= 58
        assert sum(curves.gap(*self.curves_of(s, 0.0)).overfits for s in range(200)) <= 2

    def test_onset_is_where_validation_was_best(self):
        found = curves.gap(*self.curves_of(0, 0.03))
        assert 800 <= found.onset <= 1300 and found.wide and found.rise > 0.25

    def test_accuracies(self):
        def accuracies(seed, drop):
            e, r = np.arange(40), rng(seed)
            held = 0.9 - 0.6 * np.exp(-e / 4) - drop * np.maximum(0, e - 12)
            return e, 1 - 0.7 * np.exp(-e / 6), r.binomial(500, held) / 500

        for factor in (1, 100):
            found = [
                curves.gap(e, factor * a, factor * b, higher_is_better=True)
                for e, a, b in (accuracies(s, 0.005) for s in range(40))
            ]
            assert sum(f.overfits for f in found) >= 36
        healthy = [curves.gap(*accuracies(s, 0.0), higher_is_better=True) for s in range(200)]
        assert sum(f.overfits for f in healthy) <= 2

    def test_few_points_tell_the_gap_alone(self):
        found = curves.gap([10, 20, 30], [1.0, 0.3, 0.1], [1.0, 0.8, 0.9])
        assert found.onset is None and not found.overfits and found.wide and found.gap == pytest.approx(0.6)
        assert curves.gap([], [], []) is None and curves.gap([1], [np.nan], [1.0]) is None

    def test_training_levels_are_read_just_before_an_evaluation(self):
        loss = np.arange(100.0)
        assert curves.levels_before(loss, [40, 80]).tolist() == [34.5, 74.5]
        assert np.isnan(curves.levels_before(loss, [0])[0])
