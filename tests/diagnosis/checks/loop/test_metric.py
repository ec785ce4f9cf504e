"""Comparisons that do not fit the loss, against the right ones written in many ways."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn


def run(model, rows, loss, score, epochs=4, size=32, rate=0.05):
    x, y = rows
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(epochs):
        for k in range(0, len(x), size):
            optimizer.zero_grad()
            loss(model(x[k : k + size]), y[k : k + size]).backward()
            optimizer.step()
        with torch.no_grad():
            score(model(x[:80]), y[:80])
    return model


@pytest.fixture
def halves(blobs):
    x, y = blobs
    return x, (y % 2).float()


def one():
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1), nn.Flatten(0))


def column():
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))


def classes():
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4))


def chances():
    return nn.Sequential(one(), nn.Sigmoid())


def with_logits(out, y):
    return F.binary_cross_entropy_with_logits(out.reshape(-1), y)


SICK = [
    ("scores-rounded", one, with_logits, lambda out, y: (out.round() == y).float().mean()),
    ("scores-rounded", column, with_logits, lambda out, y: torch.round(out.squeeze(1)).eq(y).sum().item()),
    ("scores-rounded", one, with_logits, lambda out, y: (out.long() == y.long()).float().mean()),
    ("threshold-on-scores", one, with_logits, lambda out, y: ((out > 0.5) == y.bool()).float().mean()),
    ("one-column-taken", column, with_logits, lambda out, y: (out.argmax(1) == y).float().mean()),
    ("scores-compared", one, with_logits, lambda out, y: (out == y).float().mean()),
    ("compared-with-all", column, with_logits, lambda out, y: ((out > 0).float() == y).float().mean()),
    ("threshold-outside", chances, F.binary_cross_entropy, lambda out, y: ((out > 0).float() == y).float().mean()),
    ("threshold-outside", one, with_logits, lambda out, y: ((out.sigmoid() > 0) == y).float().mean()),
    ("wrong-axis-taken", classes, F.cross_entropy, lambda out, y: (out.argmax(0) == y[:4]).float().mean()),
    ("wrong-axis-taken", classes, F.cross_entropy, lambda out, y: (out.argmax() == y).float().mean()),
    ("wrong-axis-taken", classes, F.cross_entropy, lambda out, y: (out.max(0)[1] == y[:4]).float().mean()),
    ("smallest-taken", classes, F.cross_entropy, lambda out, y: (out.argmin(1) == y).float().mean()),
]

HEALTHY = [
    (one, with_logits, lambda out, y: (out.sigmoid().round() == y).float().mean()),
    (one, with_logits, lambda out, y: ((out > 0) == y.bool()).float().mean()),
    (one, with_logits, lambda out, y: (out.ge(0).float() == y).sum().item() / len(y)),
    (one, with_logits, lambda out, y: ((torch.sigmoid(out) > 0.5).long() == y.long()).float().mean()),
    (one, with_logits, lambda out, y: ((torch.sigmoid(out) > 0.3) == y).float().mean()),
    (column, with_logits, lambda out, y: ((out > 0).squeeze(1) == y).float().mean()),
    (chances, F.binary_cross_entropy, lambda out, y: (out.round() == y).float().mean()),
    (chances, F.binary_cross_entropy, lambda out, y: ((out > 0.5).float() == y).float().mean()),
    (classes, F.cross_entropy, lambda out, y: (out.argmax(1) == y).float().mean()),
    (classes, F.cross_entropy, lambda out, y: (out.softmax(-1).argmax(-1) == y).sum() / len(y)),
    (classes, F.cross_entropy, lambda out, y: (torch.max(out, dim=1)[1] == y).float().mean()),
    (classes, F.cross_entropy, lambda out, y: (out.topk(2, 1)[1] == y[:, None]).any(1).float().mean()),
    (classes, F.cross_entropy, lambda out, y: (out[:4].argmax(1)[0] == y[0]).item()),
]


class TestWrongMetric:
    @pytest.mark.parametrize("case", SICK, ids=lambda case: case[0])
    def test_sick(self, judge, blobs, halves, case):
        said, make, loss, score = case
        rows = blobs if make is classes else halves
        rate = 2e-3 if said == "threshold-on-scores" else 0.05  # sure scores lie on one side of both thresholds
        found = judge(lambda: run(make(), rows, loss, score, rate=rate), "wrong-metric")
        assert [f.cause.key for f in found] == [f"loop_checks.{said}"]

    @pytest.mark.parametrize("case", HEALTHY)
    def test_healthy(self, codes, blobs, halves, case):
        make, loss, score = case
        assert codes(lambda: run(make(), blobs if make is classes else halves, loss, score)) == []

    def test_a_regression_that_compares_all_with_all(self, judge, blobs):
        x, _ = blobs
        y = x.sum(1, keepdim=True)

        def score(out, aims):
            return ((out - aims.squeeze(1)) ** 2).mean()

        (found,) = judge(lambda: run(column(), (x, y), F.mse_loss, score), "wrong-metric")
        assert found.cause.key.endswith("compared-with-all")

    def test_a_regression_within_bounds_is_healthy(self, codes, blobs):
        x, _ = blobs
        y = x.sum(1, keepdim=True)
        score = lambda out, aims: ((out - aims).abs() < 0.5).float().mean()  # noqa: E731
        assert codes(lambda: run(column(), (x, y), F.mse_loss, score)) == []

    def test_distances_of_which_the_smallest_counts_are_healthy(self, codes, blobs):
        class Prototypes(nn.Module):
            def __init__(self):
                super().__init__()
                self.points = nn.Parameter(torch.randn(4, 4))

            def forward(self, x):
                return torch.cdist(x, self.points)

        def loss(out, y):
            return F.cross_entropy(-out, y)

        assert codes(lambda: run(Prototypes(), blobs, loss, lambda out, y: (out.argmin(1) == y).float().mean())) == []
