"""Softmax and sigmoid taken twice, or not at all."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
LABELS, HOT = torch.arange(48) % 3, (torch.arange(96).reshape(48, 2) % 3 == 0).float()


def inputs(columns=3):
    return F.one_hot(LABELS, 3).float() @ torch.randn(3, columns) + 0.3 * torch.randn(48, columns)


def net(*end, out=3):
    return nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, out), *end)


class Own(nn.Module):
    def __init__(self, end):
        super().__init__()
        self.a, self.b, self.end = nn.Linear(3, 12), nn.Linear(12, 3), end

    def forward(self, x):
        return self.end(self.b(F.elu(self.a(x))))


SOFTMAX_TWICE = {
    "module": (net(nn.Softmax(dim=1)), F.cross_entropy),
    "own": (Own(lambda s: s.softmax(-1)), nn.CrossEntropyLoss(label_smoothing=0.1)),
    "by hand": (Own(lambda s: s.exp() / s.exp().sum(1, keepdim=True)), F.cross_entropy),
    "nll": (Own(lambda s: F.softmax(s, 1)), lambda p, y: F.nll_loss(F.log_softmax(p, 1), y)),
    "kept from zero": (Own(lambda s: F.softmax(s, 1).clamp(1e-6, 1)), F.cross_entropy),
    "distribution": (
        Own(lambda s: F.softmax(s, 1)),
        lambda p, y: -torch.distributions.Categorical(logits=p).log_prob(y).mean(),
    ),
}
WELL = {
    "scores": (net(), F.cross_entropy),
    "log-softmax": (net(nn.LogSoftmax(dim=1)), F.nll_loss),
    "log-probabilities": (net(nn.LogSoftmax(dim=1)), F.cross_entropy),
    "log of softmax": (Own(lambda s: torch.log(F.softmax(s, 1) + 1e-9)), F.nll_loss),
    "smoothed": (net(), nn.CrossEntropyLoss(label_smoothing=0.2)),
    "soft targets": (net(), lambda s, y: F.cross_entropy(s, F.one_hot(y, 3) * 0.7 + 0.1)),
    "mixed up": (net(), lambda s, y: F.cross_entropy(s, 0.3 * F.one_hot(y, 3) + 0.7 * F.one_hot(y.flip(0), 3))),
    "squared": (net(nn.Softmax(dim=1)), lambda p, y: F.mse_loss(p, F.one_hot(y, 3).float())),
    "focal": (net(nn.LogSoftmax(1)), lambda s, y: F.nll_loss((1 - s.exp()) ** 2 * s, y)),
    "distilled": (net(),
        lambda s, y: F.kl_div(F.log_softmax(s / 2, 1), F.one_hot(y, 3) * 0.7 + 0.1, reduction="batchmean")),
    "attention": (Own(lambda s: (s.unsqueeze(1) * F.softmax(s, 1).unsqueeze(2)).sum(1)), F.cross_entropy),
    "cosines": (Own(lambda s: 10 * torch.tanh(s)), F.cross_entropy),
}  # fmt: skip


def trained(watched, model, loss, y=LABELS):
    x = inputs()
    return watched(lambda k: loss(model(x), y), model.parameters())


@pytest.mark.parametrize("name", SOFTMAX_TWICE)
def test_softmax_twice(name, watched, found):
    case = trained(watched, *SOFTMAX_TWICE[name])
    (finding,) = found(case)
    assert finding.code == "double-softmax" and finding.where.line is not None
    assert finding.evidence[0].value == pytest.approx(math.log(math.e + 2) - 1)
    assert finding.evidence[0].value <= min(case.main.losses)


@pytest.mark.parametrize("name", WELL)
def test_silent_where_scores_or_log_probabilities_are_wanted(name, watched, found):
    assert found(trained(watched, *WELL[name])) == []


@pytest.mark.parametrize(
    ("end", "loss"),
    [
        (nn.Sigmoid(), F.binary_cross_entropy_with_logits),
        (nn.Softmax(1), nn.BCEWithLogitsLoss()),
        (nn.Sequential(nn.Sigmoid(), nn.Sigmoid()), F.binary_cross_entropy),
    ],
)
def test_sigmoid_twice(end, loss, watched, found):
    (finding,) = found(trained(watched, net(end, out=2), loss, HOT))
    assert finding.code == "double-sigmoid" and finding.category == "loss"


@pytest.mark.parametrize(
    ("end", "loss"),
    [
        (nn.Identity(), F.binary_cross_entropy_with_logits),
        (nn.Sigmoid(), F.binary_cross_entropy),
        (nn.Sigmoid(), F.mse_loss),
        (nn.Sequential(nn.Sigmoid(), nn.Linear(2, 2)), nn.BCEWithLogitsLoss()),
        (nn.Sigmoid(), lambda p, y: F.binary_cross_entropy_with_logits(torch.logit(p, 1e-6), y)),
        (nn.Sigmoid(), lambda p, y: F.binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), 0.9 * y + 0.05)),
    ],
)  # fmt: skip
def test_silent_where_one_sigmoid_is_taken(end, loss, watched, found):
    assert found(trained(watched, net(end, out=2), loss, HOT)) == []


@pytest.mark.parametrize(
    ("model", "loss", "said"),
    [
        (net(), F.nll_loss, "logits-into-probability-loss"),
        (Own(lambda s: s), nn.NLLLoss(), "logits-into-probability-loss"),
        (net(nn.Softmax(1)), F.nll_loss, "probabilities-into-log-loss"),
        (net(), lambda s, y: F.kl_div(s, F.one_hot(y, 3).float(), reduction="batchmean"),
            "logits-into-probability-loss"),
    ],
)  # fmt: skip
def test_scores_into_a_loss_of_log_probabilities(model, loss, said, watched, found):
    all_found = found(trained(watched, model, loss))
    finding = next(f for f in all_found if f.code == "logits-into-probability-loss")
    assert finding.cause.key == f"loss_checks.{said}"
    assert all(f is finding or f.code in finding.explains for f in all_found)


def test_scores_cut_off_to_pass_for_probabilities(watched, found):
    model = net(out=2)
    with torch.no_grad():
        model[2].weight.mul_(6)
    case = trained(watched, model, lambda s, y: F.binary_cross_entropy(s.clamp(0, 1), y), HOT)
    assert "logits-into-probability-loss" in [finding.code for finding in found(case)]
