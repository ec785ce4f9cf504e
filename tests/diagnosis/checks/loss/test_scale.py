"""Losses at another scale than their rate was chosen for."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
X = torch.randn(64, 6)
NUMBERS = X @ torch.randn(6, 4) + 3 * torch.tanh(X[:, :4])
LABELS = X[:, :3].argmax(1)


def net(out):
    return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, out))


class Coder(nn.Module):
    def __init__(self):
        super().__init__()
        self.code, self.back = nn.Linear(24, 8), nn.Linear(4, 24)

    def forward(self, x):
        mean, log_variance = self.code(x).chunk(2, 1)
        return self.back(mean + torch.randn_like(mean) * (0.5 * log_variance).exp()), mean, log_variance


def divergence(mean, log_variance):
    return -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean()


def test_a_sum_over_the_batch_that_breaks_training(watched, found):
    model = net(4)
    loss = nn.MSELoss(reduction="sum")
    case = watched(lambda k: loss(model(X), NUMBERS), model.parameters(), rule=torch.optim.SGD, rate=0.05)
    (finding,) = found(case)
    assert finding.code == "loss-scale" and finding.severity == "critical" and "lr-too-high" in finding.explains
    mass, before, after, doubled = (evidence.value for evidence in finding.evidence)
    assert mass == 256 and doubled == pytest.approx(2, rel=1e-3) and after < 0.7 < before


def test_a_sum_of_its_own(watched, found):
    model = net(4)
    case = watched(lambda k: ((model(X) - NUMBERS) ** 2).sum(), model.parameters(), rule=torch.optim.SGD, rate=0.05)
    (finding,) = found(case)
    assert finding.code == "loss-scale" and finding.evidence[0].value == 256


def test_a_mean_divided_once_more(watched, found):
    model = net(3)
    case = watched(lambda k: F.cross_entropy(model(X), LABELS) / 500, model.parameters(),
        rule=torch.optim.SGD, rate=0.5, momentum=0.9)  # fmt: skip
    (finding,) = found(case)
    assert finding.cause.key == "loss_checks.loss-divided"
    assert finding.evidence[0].value == pytest.approx(1 / 500)


@pytest.mark.parametrize(
    ("loss", "rule", "rate"),
    [
        (lambda p: F.mse_loss(p, NUMBERS, reduction="sum"), torch.optim.SGD, 0.0003),
        (lambda p: ((p - NUMBERS) ** 2).sum(1).mean(), torch.optim.SGD, 0.01),
        (lambda p: F.mse_loss(p, NUMBERS, reduction="sum"), torch.optim.Adam, 0.02),
        (lambda p: F.mse_loss(p, NUMBERS) / 100, torch.optim.Adam, 0.02),
        (lambda p: F.mse_loss(p, NUMBERS) / 100, torch.optim.SGD, 5.0),
        (lambda p: F.mse_loss(p, NUMBERS), torch.optim.SGD, 1e-6),
        (lambda p: F.mse_loss(p, NUMBERS), torch.optim.SGD, 30.0),
        (lambda p: F.mse_loss(p, NUMBERS) + 1e-3 * p.abs().sum(1).mean(), torch.optim.Adam, 0.02),
    ],
)  # fmt: skip
def test_silent_where_the_rate_suits_the_scale_or_the_scale_is_a_mean(loss, rule, rate, watched, found):
    model = net(4)
    case = watched(lambda k: loss(model(X)), model.parameters(), rule=rule, rate=rate, steps=60)
    assert [finding.code for finding in found(case)] == []


@pytest.mark.parametrize("even", [False, True])
def test_terms_reduced_in_two_ways(even, watched, found):
    pictures = 0.6 * torch.randn(64, 3) @ torch.randn(3, 24)
    model = Coder()

    def step(k):
        out, mean, log_variance = model(pictures)
        errors = F.mse_loss(out, pictures, reduction="sum") / 64 if even else F.mse_loss(out, pictures)
        return errors + divergence(mean, log_variance)

    all_found = found(watched(step, model.parameters(), rate=0.02, steps=300))
    assert [finding.cause.key for finding in all_found] == ([] if even else ["loss_checks.terms-apart"])
