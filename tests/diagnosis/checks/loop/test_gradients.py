"""Gradients that are never cleared, against accumulation and momentum by hand."""

import torch
import torch.nn.functional as F
from torch import nn


def line_of(function, text):
    """Return the line of a function's source that holds a text."""
    import inspect

    lines, first = inspect.getsourcelines(function)
    return first + next(k for k, line in enumerate(lines) if text in line)


def batches(x, y, size=32, epochs=4):
    for _ in range(epochs):
        for k in range(0, len(x), size):
            yield x[k : k + size], y[k : k + size]


def net():
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4))


class TestMissingZeroGrad:
    def test_never_cleared(self, judge, blobs):
        def train():
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in batches(*blobs):
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            return model

        found = judge(train)
        assert [finding.code for finding in found] == ["missing-zero-grad"]
        assert found[0].where.line == line_of(train, "backward()")
        assert found[0].evidence[0].value == 1

    def test_cleared_once_an_epoch(self, codes, blobs):
        def train():
            model = net()
            optimizer = torch.optim.Adam(model.parameters())
            for _ in range(3):
                optimizer.zero_grad()
                for x, y in batches(*blobs, epochs=1):
                    F.cross_entropy(model(x), y).backward()
                    optimizer.step()
            return model

        assert codes(train) == ["missing-zero-grad"]

    def test_another_model_is_cleared(self, codes, blobs):
        def train():
            model, other = net(), net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
            for x, y in batches(*blobs):
                other.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            return model, other

        assert codes(train) == ["missing-zero-grad"]

    def test_accumulation_is_healthy(self, codes, blobs):
        def train():
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
            for k, (x, y) in enumerate(batches(*blobs, size=16)):
                (F.cross_entropy(model(x), y) / 4).backward()
                if k % 4 == 3:
                    optimizer.step()
                    optimizer.zero_grad()
            return model

        assert codes(train) == []

    def test_cleared_to_zeros_or_by_hand_is_healthy(self, codes, blobs):
        def train():
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
            for k, (x, y) in enumerate(batches(*blobs)):
                if k % 2:
                    optimizer.zero_grad(set_to_none=False)
                else:
                    for p in model.parameters():
                        p.grad = None
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            return model

        assert codes(train) == []

    def test_momentum_by_hand_is_healthy(self, codes, blobs):
        def train():
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in batches(*blobs):
                for p in model.parameters():
                    if p.grad is not None:
                        p.grad.mul_(0.8)
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
            return model

        assert codes(train) == []

    def test_closures_are_healthy(self, codes, blobs):
        x, y = blobs

        def train():
            model = net()
            optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)

            def closure():
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                return loss

            for _ in range(8):
                optimizer.step(closure)
            return model

        assert codes(train) == []

    def test_two_networks_that_play_are_healthy(self, codes, blobs):
        x, _ = blobs

        def train():
            maker = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 4))
            critic = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
            first, second = (torch.optim.Adam(m.parameters(), lr=1e-3) for m in (critic, maker))
            for k in range(24):
                real, fake = x[16 * k : 16 * k + 16], maker(torch.randn(16, 2))
                first.zero_grad()
                (F.softplus(-critic(real)).mean() + F.softplus(critic(fake.detach())).mean()).backward()
                first.step()
                second.zero_grad()
                F.softplus(-critic(fake)).mean().backward()
                second.step()
            return maker, critic

        assert codes(train) == []
