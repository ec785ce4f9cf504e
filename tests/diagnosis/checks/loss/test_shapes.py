"""Softmax over the wrong axis, outputs that cannot reach, values that spread over each other."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
X, Z = torch.randn(30, 4), torch.randn(30, 5, 4)
LABELS = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()
NUMBERS = 2 * X[:, 0] - X[:, 1] + 0.5


def net(*end, out=1):
    return nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, out), *end)


class Attention(nn.Module):
    """One head; `dim` is the axis of its softmax."""

    def __init__(self, dim, *, pooled=False):
        super().__init__()
        self.q, self.k, self.v, self.out = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(6, 1)
        self.dim, self.pooled = dim, pooled

    def forward(self, x):
        if self.pooled:
            return self.out((self.v(x) * F.softmax(self.k(x).mean(-1, keepdim=True), self.dim)).sum(1))[:, 0]
        weights = F.dropout((self.q(x) @ self.k(x).transpose(1, 2) / 6**0.5).softmax(self.dim), 0.1, self.training)
        return self.out((weights @ self.v(x)).mean(1))[:, 0]


class Slots(nn.Module):
    """Slots compete for places: a softmax over slots, made to sum to one over places afterwards."""

    def __init__(self):
        super().__init__()
        self.slots, self.k, self.out = nn.Parameter(torch.randn(3, 4)), nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x):
        weights = (self.slots @ self.k(x).transpose(1, 2)).softmax(1)
        return self.out(((weights / weights.sum(-1, keepdim=True)) @ x).mean(1))[:, 0]


def contrastive(a, b):
    scores = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / 0.2
    own = torch.arange(len(a))
    return -(F.log_softmax(scores, 0)[own, own] + F.log_softmax(scores, 1)[own, own]).mean()


def squared(p, y):
    return ((p - y) ** 2).mean()


WRONG_AXIS = {
    "one unit": (net(nn.Softmax(1)), X, lambda p: F.mse_loss(p[:, 0], (LABELS > 0).float()), "softmax-wrong-axis"),
    "one class": (net(), X, lambda p: F.cross_entropy(p, torch.zeros(30, dtype=torch.long)), "softmax-wrong-axis"),
    "rows": (net(nn.LogSoftmax(0), out=3), X, lambda p: F.nll_loss(p, LABELS), "softmax-over-batch"),
    "pool of one": (Attention(-1, pooled=True), Z, lambda p: squared(p, NUMBERS), "softmax-wrong-axis"),
    "pool of rows": (Attention(0, pooled=True), Z, lambda p: squared(p, NUMBERS), "softmax-over-batch"),
    "queries": (Attention(1), Z, lambda p: squared(p, NUMBERS), "softmax-over-queries"),
    "places": (nn.Sequential(nn.Conv1d(5, 3, 1), nn.LogSoftmax(2)), Z,
        lambda p: F.nll_loss(p, LABELS[:, None].expand(30, 4)), "softmax-over-others"),
}  # fmt: skip
RIGHT_AXIS = {
    "attention": (Attention(-1), Z, lambda p: squared(p, NUMBERS)),
    "pool": (Attention(1, pooled=True), Z, lambda p: squared(p, NUMBERS)),
    "slots": (Slots(), Z, lambda p: squared(p, NUMBERS)),
    "pairs": (net(out=6), X, lambda p: contrastive(p, p.roll(1, 1))),
    "pictures": (nn.Sequential(nn.Conv1d(5, 3, 1), nn.LogSoftmax(1)), Z,
        lambda p: F.nll_loss(p, LABELS[:, None].expand(30, 4))),
    "one key": (Attention(-1), Z[:, :1], lambda p: squared(p, NUMBERS)),
    "mixture": (net(out=6), X,
        lambda p: -torch.logsumexp(F.log_softmax(p[:, :3], 1) - (p[:, 3:] - NUMBERS[:, None]) ** 2, 1).mean()),
}  # fmt: skip


def trained(watched, model, x, loss, **settings):
    return watched(lambda k: loss(model(x)), model.parameters(), **settings)


@pytest.mark.parametrize("name", WRONG_AXIS)
def test_softmax_over_the_wrong_axis(name, watched, found):
    *run, said = WRONG_AXIS[name]
    all_found = found(trained(watched, *run))
    finding = next(f for f in all_found if f.code == "softmax-wrong-axis")
    assert finding.cause.key == f"loss_checks.{said}" and finding.severity == "critical"
    assert all(f is finding or f.code in finding.explains for f in all_found)


@pytest.mark.parametrize("name", RIGHT_AXIS)
def test_softmax_over_the_right_axis(name, watched, found):
    assert found(trained(watched, *RIGHT_AXIS[name])) == []


OUT_OF_REACH = {
    "sigmoid": (net(nn.Sigmoid()), lambda p: F.mse_loss(p[:, 0], NUMBERS), "output-range"),
    "scaled": (net(nn.Tanh()), lambda p: F.smooth_l1_loss(1 - 0.5 * p[:, 0], 4 * NUMBERS), "output-range"),
    "relu": (net(), lambda p: squared(p.relu()[:, 0], NUMBERS), "output-range"),
    "scores": (net(nn.Tanh(), out=3), lambda p: F.cross_entropy(p, LABELS), "scores-squashed"),
    "scores from zero": (net(nn.ReLU()),
        lambda p: F.binary_cross_entropy_with_logits(p[:, 0], (LABELS > 0).float()), "scores-squashed"),
    "many labels": (net(nn.Softmax(1), out=4),
        lambda p: F.binary_cross_entropy(p, (X > 0).float()), "softmax-for-many-labels"),
    "rates": (net(nn.Softplus()), lambda p: F.poisson_nll_loss(p[:, 0], (LABELS == 2).float()), "output-range"),
}  # fmt: skip
IN_REACH = {
    "probabilities": (net(nn.Sigmoid()), lambda p: F.mse_loss(p[:, 0], (LABELS > 0).float())),
    "scaled": (net(nn.Tanh()), lambda p: F.mse_loss(6 * p[:, 0], NUMBERS)),
    "counts": (net(nn.Softplus()), lambda p: F.mse_loss(p[:, 0], LABELS.float())),
    "a few beyond": (net(nn.Tanh()), lambda p: F.mse_loss(p[:, 0], (NUMBERS / NUMBERS.abs().sort().values[-2]))),
    "rates": (net(nn.Softplus()), lambda p: F.poisson_nll_loss(p[:, 0], LABELS.float(), log_input=False)),
    "capped softly": (net(out=3), lambda p: F.cross_entropy(8 * torch.tanh(p / 8), LABELS)),
    "one of many": (net(nn.Softmax(1), out=3), lambda p: F.binary_cross_entropy(p, F.one_hot(LABELS, 3).float())),
}  # fmt: skip


@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_output_that_cannot_reach(name, watched, found):
    model, loss, said = OUT_OF_REACH[name]
    (finding,) = found(trained(watched, model, X, loss))
    assert (finding.code, finding.cause.key) == ("output-range", f"loss_checks.{said}")


@pytest.mark.parametrize("name", IN_REACH)
def test_output_that_can_reach(name, watched, found):
    model, loss = IN_REACH[name]
    assert found(trained(watched, model, X, loss)) == []


def test_the_share_out_of_reach_is_that_of_the_targets(watched, found):
    model = net(nn.Sigmoid())
    (finding,) = found(trained(watched, model, X, lambda p: F.mse_loss(p[:, 0], NUMBERS)))
    share = float(((NUMBERS < 0) | (NUMBERS > 1)).float().mean())
    assert finding.evidence[0].value == pytest.approx(share, abs=0.04)


SPREAD = {
    "hand-written": (lambda p: squared(p, NUMBERS), "critical"),
    "target with an axis": (lambda p: (p[:, 0] - NUMBERS[:, None]).abs().mean(), "critical"),
    "function": (lambda p: F.huber_loss(p, NUMBERS), "critical"),
}
NOT_SPREAD = {
    "one shape": lambda p: squared(p[:, 0], NUMBERS),
    "pairs wanted": lambda p: F.relu(1 - (p - p.T) * torch.sign(NUMBERS[:, None] - NUMBERS[None])).mean(),
    "quantiles": lambda p: (NUMBERS[:, None] - p).abs().mean() + 0 * (p[:, :1] - NUMBERS[None, :]).abs().mean(),
    "one number": lambda p: squared(p, torch.zeros(30)),
    "two moments": lambda p: (p[:, 0].mean() - NUMBERS.mean()) ** 2 + squared(p[:, 0], NUMBERS),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", SPREAD)
def test_values_that_spread(name, watched, found):
    loss, severity = SPREAD[name]
    finding = next(f for f in found(trained(watched, net(), X, loss)) if f.code == "loss-broadcast")
    assert finding.severity == severity and finding.evidence[0].value == 900


@pytest.mark.parametrize("name", NOT_SPREAD)
def test_values_that_do_not_spread(name, watched, found):
    assert found(trained(watched, net(), X, NOT_SPREAD[name])) == []
