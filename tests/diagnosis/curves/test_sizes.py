"""Noise of batches, sizes of steps, gradients over depth."""

import numpy as np
import pytest
import torch
from torch import nn

from thalweg.core import UsageError
from thalweg.diagnosis import curves


def rng(seed=0):
    return np.random.default_rng(seed)


class TestNoise:
    def test_shares_of_variance(self):
        t = np.arange(2000)
        found = curves.loss_noise(1 + np.exp(-t / 100) + 0.1 * rng().normal(size=2000))
        assert found.sigma == pytest.approx(0.1, rel=0.1) and found.late_share == pytest.approx(1, abs=0.1)
        assert found.share == pytest.approx(0.01 / np.var(np.exp(-t / 100) + 0.1 * rng().normal(size=2000)), rel=0.15)
        assert found.relative == pytest.approx(0.1, rel=0.1)

    def test_the_noise_scale_is_that_of_gaussian_gradients(self):
        r = rng()
        g, sigma, b, big = np.full(50, 0.2), 1.5, 8, 64
        norms = [[np.linalg.norm(g + sigma * r.normal(size=(n, 50)).mean(0)) for _ in range(200)] for n in (b, big)]
        found = curves.gradient_noise(*norms, batch_small=b, batch_big=big)
        truth = 50 * sigma**2 / float(g @ g)
        assert found.noise == pytest.approx(50 * sigma**2, rel=0.1) and found.scale == pytest.approx(truth, rel=0.15)
        assert found.interval[0] < truth < found.interval[1] and found.looks == 200

    def test_one_look_and_no_signal(self):
        assert curves.gradient_noise([3.0], [1.0], batch_small=1, batch_big=2).scale == np.inf
        assert curves.gradient_noise([3.0], [2.5], batch_small=1, batch_big=4).interval == (0.0, np.inf)

    def test_bad_input(self):
        with pytest.raises(UsageError, match="batch_small"):
            curves.gradient_noise([1.0], [1.0], batch_small=8, batch_big=8)
        with pytest.raises(UsageError, match="as many"):
            curves.gradient_noise([1.0, 2.0], [1.0], batch_small=1, batch_big=8)


class TestUpdates:
    def test_ratios(self):
        names = ["fine", "tiny", "wild", "still", "bias"]
        weights = np.ones((12, 5))
        weights[:, 4] = 1e-9 + 0.1 * np.arange(12)  # a bias that starts at nothing and grows
        updates = np.resize([1e-3, 1e-8, 0.5, 0.0, 0.2], (12, 5))
        found = {r.name: r for r in curves.update_ratios(names, weights, updates)}
        assert found["fine"].median == pytest.approx(-3)
        assert {n for n, r in found.items() if r.too_small} == {"tiny"}
        assert {n for n, r in found.items() if r.too_large} == {"wild"}
        assert {n for n, r in found.items() if r.unmoved} == {"still"}

    def test_the_end_of_a_schedule_is_left_out(self):
        rates = np.array([1, 1, 1, 1, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6, 1e-6])
        updates = 1e-3 * rates[:, None]
        assert curves.update_ratios(["w"], np.ones((10, 1)), updates)[0].too_small
        (found,) = curves.update_ratios(["w"], np.ones((10, 1)), updates, rates=rates)
        assert not found.too_small and found.median == pytest.approx(-3)

    def test_what_was_never_measured_is_left_out(self):
        assert curves.update_ratios(["w", "zero"], [[np.nan, 0.0]] * 4, [[1.0, 1.0]] * 4) == ()
        with pytest.raises(UsageError, match="looks, parameters"):
            curves.update_ratios(["w"], [1.0, 2.0], [1.0, 2.0])

    def test_runaway_steps(self):
        k = np.arange(16)
        found = curves.runaway(1e-3 * 10 ** (k / 5), 10 ** (-k / 5))
        assert found.runs_away and found.update_growth > 100 and found.update_rank == pytest.approx(1)
        assert not curves.runaway(1e-3 * 10 ** (-k / 5), 10 ** (-k / 5)).runs_away
        assert curves.runaway([1.0] * 5, [1.0] * 5) is None
        wild = [
            curves.runaway(np.exp(3 * rng(s).normal(size=16)), np.exp(3 * rng(s + 999).normal(size=16)))
            for s in range(200)
        ]
        assert sum(f.runs_away for f in wild) == 0

    def test_rank_correlation_is_spearmans(self):
        from scipy.stats import spearmanr

        from thalweg.diagnosis.curves.updates import rank_correlation

        x, y = rng(0).integers(0, 9, 40), rng(1).normal(size=40)
        assert rank_correlation(x, y) == pytest.approx(spearmanr(x, y).statistic)
        assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0


def profile(net, x, y):
    nn.functional.cross_entropy(net(x), y).backward()
    named = [(n, p) for n, p in net.named_parameters() if p.grad is not None]
    return curves.depth_profile(
        [n for n, _ in named], [float(p.grad.square().mean().sqrt()) for _, p in named],
        axes=[p.ndim for _, p in named],
        weights=[float(p.detach().square().mean().sqrt()) for _, p in named],
    )  # fmt: skip


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.a, self.b = nn.LayerNorm(32), nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, x):
        return x + self.b(torch.relu(self.a(self.norm(x))))


def mlp(activation, depth, width=32, scale=None):
    layers = [m for k in range(depth) for m in (nn.Linear(16 if k == 0 else width, width), activation())]
    net = nn.Sequential(*layers, nn.Linear(width, 4))
    if scale is not None:
        for p in net.parameters():
            if p.ndim > 1:
                nn.init.normal_(p, std=scale)
    return net


class TestDepth:
    @pytest.fixture(autouse=True)
    def data(self):
        torch.manual_seed(0)
        self.x, self.y = torch.randn(64, 16), torch.randint(0, 4, (64,))

    def test_sigmoids_vanish(self):
        found = profile(mlp(nn.Sigmoid, 8), self.x, self.y)
        assert found.vanishing and not found.exploding and found.factor > 4 and found.zero == ()

    def test_tanh_with_large_weights_explodes(self):
        found = profile(mlp(nn.Tanh, 20, scale=0.7), self.x, self.y)
        assert found.exploding and not found.vanishing and found.relative_slope < 0

    @pytest.mark.parametrize("seed", range(5))
    def test_healthy_nets_are_silent(self, seed):
        torch.manual_seed(seed)
        he = mlp(nn.ReLU, 8)
        for m in he:
            if isinstance(m, nn.Linear):
                nn.init.kaiming_normal_(m.weight)
        conv = nn.Sequential(
            nn.Unflatten(1, (1, 4, 4)), nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 4),
        )  # fmt: skip
        deep = nn.Sequential(nn.Linear(16, 32), *[Residual() for _ in range(6)], nn.Linear(32, 4))
        for net in (he, conv, deep, mlp(nn.Tanh, 4), mlp(nn.ReLU, 3)):
            found = profile(net, self.x, self.y)
            assert not found.vanishing and not found.exploding

    def test_an_embedding_or_a_head_that_stands_apart_makes_no_trend(self):
        found = curves.depth_profile(list("abcde"), [1e-7, 1.0, 1.1, 0.9, 1.0], axes=[2] * 5)
        assert not found.vanishing and found.slope < 0.3
        assert not curves.depth_profile(list("abc"), [1e-7, 1.0, 1.0], axes=[2] * 3).vanishing
        assert not curves.depth_profile(list("abcde"), [1.0, 1.0, 1.1, 0.9, 1e5], axes=[2] * 5).vanishing

    def test_too_few_layers_say_nothing(self):
        assert curves.depth_profile(["a", "a.bias", "b", "b.bias"], [1e-9, 1, 1, 1], axes=[2, 1, 2, 1]) is None
        assert curves.depth_profile([], [], axes=[]) is None
        with pytest.raises(UsageError, match="one of each"):
            curves.depth_profile(["a"], [1.0], axes=[])

    def test_a_gradient_of_exactly_zero_is_named(self):
        assert curves.depth_profile(list("abcd"), [0.0, 1e-4, 1e-2, 1.0], axes=[2] * 4).zero == ("a",)
