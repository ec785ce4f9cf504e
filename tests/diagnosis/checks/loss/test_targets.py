"""Losses for other targets than the ones they are given."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
X = torch.randn(48, 4)
NUMBERS = 2 * X[:, :1] - X[:, 1:2]
TAGS = (X[:, :3] > 0.1).float()
COUNTS = torch.poisson(torch.exp(X[:, 0] / 2))
LABELS = (X[:, 0] > 0).float()


def net(out=1):
    return nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, out))


MISFITS = {
    "numbers, binary": (1, lambda p: F.binary_cross_entropy_with_logits(p, NUMBERS), "numbers-as-probabilities"),
    "numbers, softmax": (3, lambda p: F.cross_entropy(p, X[:, :3] * 2), "numbers-as-probabilities"),
    "tags": (3, lambda p: nn.CrossEntropyLoss()(p, TAGS), "many-labels"),
    "counts": (1, lambda p: F.poisson_nll_loss(p[:, 0], (COUNTS - COUNTS.mean()) / COUNTS.std()), "negative-counts"),
    "margin": (1, lambda p: F.soft_margin_loss(p[:, 0], LABELS), "labels-without-sign"),
    "cosine": (4, lambda p: F.cosine_embedding_loss(p, X, LABELS), "labels-without-sign"),
}
FITS = {
    "tags": (3, lambda p: F.binary_cross_entropy_with_logits(p, TAGS)),
    "smoothed tags": (3, lambda p: F.binary_cross_entropy_with_logits(p, 0.9 * TAGS + 0.05)),
    "soft": (3, lambda p: F.cross_entropy(p, F.softmax(3 * X[:, :3], 1))),
    "counts": (1, lambda p: F.poisson_nll_loss(p[:, 0], COUNTS)),
    "margin": (1, lambda p: F.soft_margin_loss(p[:, 0], 2 * LABELS - 1)),
    "least squares classifier": (1, lambda p: F.mse_loss(p[:, 0], LABELS)),
    "whole numbers": (1, lambda p: F.mse_loss(p[:, 0], COUNTS)),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_loss_for_other_targets(name, watched, found):
    out, loss, said = MISFITS[name]
    model = net(out)
    (finding,) = found(watched(lambda k: loss(model(X)), model.parameters()))
    assert (finding.code, finding.cause.key) == ("wrong-loss", f"loss_checks.{said}")


@pytest.mark.parametrize("name", FITS)
def test_a_loss_for_these_targets(name, watched, found):
    out, loss = FITS[name]
    model = net(out)
    assert found(watched(lambda k: loss(model(X)), model.parameters())) == []


def test_baskets_that_are_given_back(watched, found):
    """A multinomial likelihood over what is in a basket ranks it; its targets are its inputs."""
    baskets, model = (torch.rand(48, 6) < 0.4).float(), nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 6))
    assert found(watched(lambda k: F.cross_entropy(model(baskets), baskets), model.parameters())) == []


@pytest.mark.parametrize("ordered", [False, True])
def test_names_of_classes_fitted_as_numbers(ordered, watched, found):
    """Classes that lie in no order are named better by a linear classifier; grades that do are not."""
    torch.manual_seed(1)
    labels = torch.arange(240) % 12
    x = torch.randn(12, 8)[labels] * 3 + torch.randn(240, 8)
    if ordered:
        x[:, 0] = labels + 0.1 * torch.randn(240)
        x[:, 1:] = torch.randn(240, 7)
    model = nn.Sequential(nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 1))

    def step(k):
        if k % 20 == 19:
            with torch.no_grad():
                (model(x)[:, 0].round() == labels).float().mean().item()
        rows = torch.arange(40) + 40 * (k % 6)
        return F.mse_loss(model(x[rows])[:, 0], labels[rows].float())

    case = watched(step, model.parameters(), rate=0.03, steps=200)
    assert [finding.cause.key for finding in found(case)] == ([] if ordered else ["loss_checks.classes-as-numbers"])
