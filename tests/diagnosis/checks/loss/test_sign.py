"""Losses with the wrong sign, and those that only look like it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
X = torch.randn(40, 4)
LABELS = (X[:, 0] > 0).long() + (X[:, 1] > 0).long()
NUMBERS = (X[:, :1] - X[:, 1:2]) / 2
MASK = (X[:, :1] > 0.2).float()


def net(*end, out=1):
    return nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Linear(12, out), *end)


class Gauss(nn.Module):
    def __init__(self):
        super().__init__()
        self.mean, self.scale = nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x):
        return torch.distributions.Normal(self.mean(x), F.softplus(self.scale(x)) + 0.1)


def dice(p):
    return (2 * (p * MASK).sum() + 1) / (p.sum() + MASK.sum() + 1)


def correlation(p):
    a, b = p - p.mean(), NUMBERS - NUMBERS.mean()
    return (a * b).sum() / (a.norm() * b.norm() + 1e-8)


def likelihood(p):
    return (MASK * torch.log(p + 1e-7) + (1 - MASK) * torch.log(1 - p + 1e-7)).mean()


def unit(a):
    return F.normalize(a, dim=1)


WRONG = {
    "entropy": (net(out=3), lambda s: -F.cross_entropy(s, LABELS), "loss-sign"),
    "squares": (net(), lambda p: (1 - (p - NUMBERS) ** 2).mean(), "loss-sign"),
    "picked": (net(out=3), lambda s: F.log_softmax(s, 1)[torch.arange(40), LABELS].mean(), "likelihood-minimised"),
    "gathered": (net(out=3), lambda s: s.log_softmax(1).gather(1, LABELS[:, None]).sum() / 40, "likelihood-minimised"),
    "by hand": (net(nn.Sigmoid()), likelihood, "likelihood-minimised"),
    "density": (Gauss(), lambda d: d.log_prob(NUMBERS).mean(), "loss-sign"),
    "cosine": (net(out=6), lambda a: F.cosine_similarity(a, a.roll(1, 1), dim=1).mean(), "similarity-minimised"),
    "units": (net(out=6), lambda a: (unit(a) * unit(X.repeat(1, 2)[:, :6])).sum(1).mean(), "similarity-minimised"),
    "overlap": (net(nn.Sigmoid()), dice, "overlap-minimised"),
    "correlation": (net(), correlation, "overlap-minimised"),
}  # fmt: skip
RIGHT = {
    "entropy": (net(out=3), lambda s: F.cross_entropy(s, LABELS)),
    "picked": (net(out=3), lambda s: -F.log_softmax(s, 1)[torch.arange(40), LABELS].mean()),
    "by hand": (net(nn.Sigmoid()), lambda p: -likelihood(p)),
    "density": (Gauss(), lambda d: -d.log_prob(NUMBERS).mean()),
    "cosine": (net(out=6), lambda a: 1 - F.cosine_similarity(a, a.roll(1, 1), dim=1).mean()),
    "apart and together": (net(out=6),
        lambda a: (unit(a) * unit(a.roll(1, 0))).sum(1).mean() + ((a - X.repeat(1, 2)[:, :6]) ** 2).mean()),
    "overlap": (net(nn.Sigmoid()), lambda p: 1 - dice(p)),
    "correlation": (net(), lambda p: -correlation(p)),
    "confidence penalty": (net(out=3),
        lambda s: F.cross_entropy(s, LABELS) + 0.1 * (s.softmax(1) * s.log_softmax(1)).sum(1).mean()),
    "below zero": (net(), lambda p: F.mse_loss(p, NUMBERS) - 2),
    "learnt weights": (nn.ModuleList([net(), net(nn.Flatten(0)), nn.ParameterList([torch.zeros(2)])]), None),
    "cost": (net(out=3), lambda s: (s.softmax(1) * (1 - F.one_hot(LABELS, 3))).sum(1).mean()),
    "negative returns": (net(out=3),
        lambda s: (F.cross_entropy(s, LABELS, reduction="none") * (-1 - LABELS.float())).mean()),
    "reverse divergence": (net(out=3),
        lambda s: (s.softmax(1) * (s.log_softmax(1) + torch.log(torch.tensor([3.0, 3.0, 3.0])))).sum(1).mean()),
}  # fmt: skip


def uncertain(parts):
    number, label, scales = parts[0](X), parts[1](X), parts[2][0]
    return (
        torch.exp(-scales[0]) * F.mse_loss(number, NUMBERS)
        + torch.exp(-scales[1]) * F.mse_loss(label, LABELS / 2)
        + scales.sum()
    )


@pytest.mark.parametrize("name", WRONG)
def test_wrong_sign(name, watched, found):
    model, loss, said = WRONG[name]
    all_found = found(watched(lambda k: loss(model(X)), model.parameters()))
    finding = next(f for f in all_found if f.code == "loss-sign")
    assert finding.cause.key == f"loss_checks.{said}" and finding.severity == "critical"
    assert finding.where.file == __file__
    assert all(f is finding or f.code in finding.explains for f in all_found)


@pytest.mark.parametrize("name", RIGHT)
def test_right_sign(name, watched, found):
    model, loss = RIGHT[name]
    step = (lambda k: uncertain(model)) if loss is None else (lambda k: loss(model(X)))
    assert found(watched(step, model.parameters())) == []


def test_an_optimizer_that_climbs_turns_the_sign_itself(watched, found):
    model = net(out=3)
    case = watched(lambda k: -F.cross_entropy(model(X), LABELS), model.parameters(), maximize=True)
    assert found(case) == []


def bandit(sign, weight):
    """Return a step of a policy that is paid for the arm of its context; `weight` names what it is weighted by."""
    policy, arms = nn.Linear(4, 3), torch.randn(4, 3)

    def step(k):
        context = torch.randn(256, 4)
        choice = torch.distributions.Categorical(logits=policy(context))
        arm = choice.sample()
        reward = (arm == (context @ arms).argmax(1)).float()
        cost = reward
        if weight == "reward":
            return sign * (choice.log_prob(arm) * reward).mean()
        return sign * (choice.log_prob(arm) * cost).mean()

    return step, policy.parameters()


def test_a_reward_that_is_driven_down(watched, found):
    (finding,) = found(watched(*bandit(1, "reward"), rate=0.03, steps=30))
    assert finding.code == "loss-sign" and finding.cause.key == "loss_checks.reward-minimised"
    assert finding.evidence[0].value > finding.evidence[1].value


@pytest.mark.parametrize(("sign", "weight"), [(-1, "reward"), (1, "cost")])
def test_a_reward_that_is_driven_up_and_a_cost_that_is_driven_down(sign, weight, watched, found):
    assert found(watched(*bandit(sign, weight), rate=0.03, steps=30)) == []
