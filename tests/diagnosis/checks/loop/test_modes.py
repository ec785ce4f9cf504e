"""Modes that are wrong and matter, statistics that do not fit, against modes that are meant or make no difference."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn


def batches(x, y, size=32, epochs=4):
    for _ in range(epochs):
        for k in range(0, len(x), size):
            yield x[k : k + size], y[k : k + size]


def net(*between, width=32):
    return nn.Sequential(nn.Linear(4, width), *between, nn.ReLU(), nn.Linear(width, 4))


def accuracy(model, x, y):
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def run(model, blobs, mode=None, score=None, rate=0.05, epochs=4, size=32):
    """Train with `mode` called before each step and `score` after each epoch."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    x, y = blobs
    for _ in range(epochs):
        for rows, labels in batches(x, y, size=size, epochs=1):
            if mode is not None:
                mode(model)
            optimizer.zero_grad()
            F.cross_entropy(model(rows), labels).backward()
            optimizer.step()
        if score is not None:
            score(model, x[:200], y[:200])
    return model


def scored_in_eval(model, x, y):
    model.eval()
    accuracy(model, x, y)
    model.train()


def scored_in_eval_for_good(model, x, y):
    model.eval()
    accuracy(model, x, y)


class Always(nn.Module):
    """Dropout as a function, which drops in evaluation mode as well if it is not told."""

    def __init__(self, told):
        super().__init__()
        self.first, self.second, self.told = nn.Linear(4, 32), nn.Linear(32, 4), told

    def forward(self, x):
        training = self.training if self.told else True
        return self.second(F.dropout(torch.relu(self.first(x)), 0.5, training))


@pytest.fixture
def far(blobs):
    """Return the rows moved far from zero: untouched running statistics do not fit them."""
    return 5 * blobs[0] + 20, blobs[1]


class TestTrainingMode:
    def test_never_back_to_training_with_batch_norm(self, judge, far):
        def train():
            return run(net(nn.BatchNorm1d(32)).eval(), far, rate=1e-3)

        found = judge(train, "train-eval-mode")
        assert [f.cause.key for f in found] == ["loop_checks.trained-in-eval"]

    def test_never_back_to_training_with_dropout(self, judge, blobs):
        found = judge(
            lambda: run(net(nn.Dropout(0.5)), blobs, score=scored_in_eval_for_good, epochs=8), "train-eval-mode"
        )
        assert [f.cause.key for f in found] == ["loop_checks.trained-without-dropout"]
        with open(found[0].where.file, encoding="utf-8") as file:
            assert "model.eval()" in file.read().splitlines()[found[0].where.line - 1]

    def test_frozen_statistics_that_fit_are_healthy(self, codes, blobs):
        def train():
            model = run(net(nn.BatchNorm1d(32)), blobs, epochs=6)
            for layer in model:
                if isinstance(layer, nn.BatchNorm1d):
                    layer.eval()
            run(model, blobs, rate=0.01, epochs=4)
            return run(model.eval(), blobs, rate=0.01, epochs=12)

        assert codes(train) == []

    def test_a_network_with_one_mode_is_healthy(self, codes, blobs):
        assert codes(lambda: run(net().eval(), blobs)) == []
        assert codes(lambda: run(net(nn.Dropout(0.0)).eval(), blobs)) == []
        assert codes(lambda: run(net(nn.LayerNorm(32)).eval(), blobs)) == []

    def test_attacks_in_evaluation_mode_are_healthy(self, codes, blobs):
        def train():
            model = net(nn.Dropout(0.3))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in batches(*blobs):
                model.eval()
                moved = x.clone().requires_grad_()
                for _ in range(3):
                    F.cross_entropy(model(moved), y).backward()
                    moved = (moved + 0.05 * moved.grad.sign()).detach().requires_grad_()
                model.train()
                optimizer.zero_grad()
                F.cross_entropy(model(moved.detach()), y).backward()
                optimizer.step()
            return model

        assert codes(train) == []


class TestEvaluationMode:
    def test_dropout_is_on(self, judge, blobs):
        found = judge(lambda: run(net(nn.Dropout(0.6)), blobs, score=accuracy, epochs=6), "train-eval-mode")
        assert [f.cause.key for f in found] == ["loop_checks.evaluated-with-dropout"]
        assert found[0].evidence[1].value > found[0].evidence[2].value

    def test_a_function_that_always_drops(self, judge, blobs):
        found = judge(lambda: run(Always(told=False), blobs, score=scored_in_eval, epochs=6), "train-eval-mode")
        assert [f.cause.key for f in found] == ["loop_checks.dropout-always-on"]

    def test_batch_norm_takes_the_statistics_of_few_rows(self, judge, blobs):
        def one_class(model, x, y):
            for label in range(4):
                accuracy(model, x[y == label][:6], y[y == label][:6])

        found = judge(lambda: run(net(nn.BatchNorm1d(32)), blobs, score=one_class, epochs=6))
        assert [f.cause.key for f in found] == ["loop_checks.evaluated-with-batch-statistics"]

    def test_evaluation_mode_is_healthy(self, codes, blobs):
        for model in (net(nn.Dropout(0.4)), net(nn.BatchNorm1d(32)), Always(told=True)):
            assert codes(lambda model=model: run(model, blobs, score=scored_in_eval, epochs=6)) == []

    def test_many_passes_of_the_same_rows_are_healthy(self, codes, blobs):
        def spread(model, x, y):
            with torch.no_grad():
                torch.stack([model(x).softmax(1) for _ in range(12)]).mean(0).argmax(1)

        assert codes(lambda: run(net(nn.Dropout(0.4)), blobs, score=spread)) == []

    def test_rows_made_for_the_other_network_are_healthy(self, codes, blobs):
        x, _ = blobs

        def train():
            maker = nn.Sequential(nn.Linear(2, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))
            critic = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
            first, second = (torch.optim.Adam(m.parameters(), lr=1e-3) for m in (critic, maker))
            for k in range(24):
                with torch.no_grad():
                    fake = maker(torch.randn(16, 2))
                first.zero_grad()
                (F.softplus(-critic(x[16 * k : 16 * k + 16])).mean() + F.softplus(critic(fake)).mean()).backward()
                first.step()
                second.zero_grad()
                F.softplus(-critic(maker(torch.randn(16, 2)))).mean().backward()
                second.step()
            maker.eval()
            with torch.no_grad():
                maker(torch.randn(50, 2)).mean()
            return maker, critic

        assert codes(train) == []

    def test_passes_that_only_take_statistics_are_healthy(self, codes, blobs):
        def settle(model, x, y):
            model.train()
            with torch.no_grad():
                for k in range(0, 200, 20):
                    model(x[k : k + 20])
            scored_in_eval(model, x, y)

        assert codes(lambda: run(net(nn.BatchNorm1d(32)), blobs, score=settle, epochs=6)) == []


class TestBatchnormStatistics:
    def test_statistics_that_never_arrive(self, judge, far):
        def train():
            return run(net(nn.BatchNorm1d(32, momentum=1e-4)), far, score=scored_in_eval, epochs=8)

        (found,) = judge(train, "batchnorm-statistics")
        as_trained, evaluated, mended = (e.value for e in found.evidence[:3])
        assert evaluated > 2 * as_trained and mended < 0.7 * evaluated
        assert found.where.layer == "1"

    def test_two_values_a_channel_tell_which_of_a_pair_is_which(self, judge):
        """Within a pair the second row lies a little higher; alone no row can be told, for pairs lie far apart."""
        draw = torch.Generator().manual_seed(2)
        places = 4 * torch.randn(256, 1, 4, generator=draw)
        pairs = places + torch.tensor([[0.0], [0.3]]) + 0.02 * torch.randn(256, 2, 4, generator=draw)
        rows = pairs.reshape(-1, 4), torch.tensor([0, 1]).repeat(256)
        found = judge(lambda: run(net(nn.BatchNorm1d(32)), rows, score=scored_in_eval, size=2), "batchnorm-statistics")
        assert [f.cause.key for f in found] == ["loop_checks.few-values"]

    def test_two_values_a_channel_that_do_no_harm_are_healthy(self, codes, blobs):
        assert codes(lambda: run(net(nn.BatchNorm1d(32)), blobs, score=scored_in_eval, size=2, epochs=1)) == []

    def test_fitting_statistics_are_healthy(self, codes, far):
        assert codes(lambda: run(net(nn.BatchNorm1d(32)), far, score=scored_in_eval, epochs=8)) == []

    def test_no_running_statistics_are_healthy(self, codes, far):
        norm = nn.BatchNorm1d(32, track_running_stats=False)
        assert codes(lambda: run(net(norm), far, score=scored_in_eval, epochs=8)) == []
