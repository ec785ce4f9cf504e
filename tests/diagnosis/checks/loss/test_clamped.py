"""Cuts on the way to the loss, and those that do no harm."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
X = torch.randn(40, 4)
NUMBERS = X[:, :1] * 4 + 9
LABELS = (X[:, 0] > 0).long()
SIGNS = 2.0 * LABELS[:, None] - 1


def net(*end, out=1):
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, out), *end)


CUT = {
    "loss": lambda p: F.mse_loss(p, NUMBERS).clamp(max=2.0),
    "least": lambda p: torch.minimum(F.mse_loss(p, NUMBERS), torch.tensor(3.0)),
    "chosen": lambda p: (lambda e: torch.where(e > 5, torch.full_like(e, 5.0), e).mean())((p - NUMBERS) ** 2),
    "rows": lambda p: ((p - NUMBERS) ** 2).clamp(max=1).mean(),
    "tanh by pieces": lambda p: F.hardtanh(F.l1_loss(p, NUMBERS, reduction="none"), 0, 0.5).mean(),
    "predictions": lambda p: F.mse_loss((p - 20).clamp(-15, 15), NUMBERS),
}
UNCUT = {
    "hinge": (net(), lambda p: F.relu(1 - SIGNS * p).mean()),
    "hinge by clamp": (net(), lambda p: (1 - SIGNS * p).clamp(min=0).mean()),
    "triplet": (net(out=6), lambda a: F.triplet_margin_loss(a, a.roll(1, 1), a.roll(1, 0), margin=0.1)),
    "epsilon": (net(nn.Sigmoid()), lambda p: F.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), LABELS[:, None].float())),
    "epsilon by hand": (net(nn.Softmax(1), out=2),
        lambda p: -torch.log(p.clamp(min=1e-9))[torch.arange(40), LABELS].mean()),
    "outliers": (net(), lambda p: ((p - NUMBERS + 9) ** 2).clamp(max=60).mean()),
    "never reached": (net(), lambda p: F.mse_loss(p, NUMBERS / 9).clamp(max=1e4)),
    "sharpest": (net(), lambda p: F.mse_loss(p, NUMBERS / 9) + p.abs().amax().clamp(max=0.01)),
    "masked": (net(), lambda p: torch.where(LABELS[:, None] > 0, (p - NUMBERS) ** 2, torch.zeros(40, 1)).mean()),
    "two branches": (net(), lambda p: (lambda e: torch.where(e < 1, e**2 / 2, e - 0.5).mean())((p - NUMBERS).abs())),
    "the smaller of two": (net(out=2),
        lambda p: (lambda e: torch.minimum(e[:, 0], e[:, 1]).mean())((p - NUMBERS) ** 2)),
    "free bits": (net(), lambda p: F.mse_loss(p, NUMBERS / 9) + (p**2).mean().clamp(min=50.0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_a_cut_that_holds_back_most(name, watched, found):
    model = net()
    (finding,) = found(watched(lambda k: CUT[name](model(X)), model.parameters(), rate=1e-3))
    assert (finding.code == "loss-clamped" and finding.cause.key == "loss_checks.loss-clamped") or name == "predictions"
    assert finding.evidence[0].value > 0.5 and finding.where.file == __file__


@pytest.mark.parametrize("name", UNCUT)
def test_cuts_that_do_no_harm(name, watched, found):
    model, loss = UNCUT[name]
    assert found(watched(lambda k: loss(model(X)), model.parameters(), rate=0.01, steps=40)) == []


def test_a_floor_above_errors_that_are_left(watched, found):
    model = net(out=2)
    loss = lambda k: F.cross_entropy(model(X), LABELS).clamp(min=0.6)  # noqa: E731
    (finding,) = found(watched(loss, model.parameters(), rate=0.02, steps=60))
    assert finding.cause.key == "loss_checks.loss-floored"
