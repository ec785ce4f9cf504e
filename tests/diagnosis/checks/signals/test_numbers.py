"""The operation that makes NaN or infinity of finite numbers: forwards, backwards, and on the way."""

import torch
import torch.nn.functional as F
from torch import nn


def only(found):
    """Return the finding of `non-finite` where there is one."""
    return [finding for finding in found if finding.code == "non-finite"]


def net(answers=1):
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, answers))


class TestForward:
    def test_a_logarithm_of_zero(self, judge, fit, blobs, line_of):
        x, y = blobs
        counts = F.one_hot(y, 4).float()

        def loss(scores, shares):
            surprise = torch.log(shares)  # shares of zero
            return (scores.softmax(1) * surprise).sum(1).mean()

        (finding,) = only(judge(lambda: fit(net(4), x, counts, loss=loss, steps=6)))
        assert finding.where.line == line_of(loss, "torch.log") and finding.where.step == 0
        assert finding.cause.key == "causes.non-finite" and "`log`" in finding.cause.text("zh")
        assert [round(evidence.value, 3) for evidence in finding.evidence] == [0, 0, 1]

    def test_an_exponential_that_overflows(self, judge, fit, blobs, line_of):
        x, _ = blobs
        counts = torch.full((256, 1), 3.0)

        def loss(rates, seen):
            mean = torch.exp(60 * (rates + 2))
            return (mean - seen * rates).mean()

        (finding,) = only(judge(lambda: fit(net(), x, counts, loss=loss, steps=6)))
        assert finding.where.line == line_of(loss, "torch.exp") and finding.evidence[2].value > 88

    def test_with_a_small_number_inside_it_is_healthy(self, judge, fit, blobs):
        """Near miss: the same logarithm away from zero."""
        x, y = blobs

        def loss(scores, shares):
            return -(shares * torch.log(scores.softmax(1) + 1e-8)).sum(1).mean()

        assert only(judge(lambda: fit(net(4), x, F.one_hot(y, 4).float(), loss=loss))) == []

    def test_masks_of_minus_infinity_are_healthy(self, judge, fit, blobs):
        """Near miss: infinities that are made on purpose and never reach the loss."""
        x, y = blobs
        hidden = torch.zeros(4, dtype=torch.bool)
        hidden[0] = True

        class Masked(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = net(4)

            def forward(self, x):
                return self.inner(x).masked_fill(hidden, -torch.inf).softmax(1)

        def loss(shares, y):
            return -(shares[:, 1:] * F.one_hot(y, 4)[:, 1:]).sum(1).mean()

        assert only(judge(lambda: fit(Masked(), x, y, loss=loss))) == []


class TestBackward:
    def test_a_root_at_zero(self, judge, fit, blobs, line_of):
        """The loss of the first step is a number: what is lost is its gradient."""
        x, _ = blobs
        pairs = torch.stack([x, x.roll(1, 0)], 1)
        pairs[5, 1] = pairs[5, 0]  # two that are the same
        same = torch.zeros(256)

        class Twins(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = net(3)

            def forward(self, pairs):
                square = (self.inner(pairs[:, 0]) - self.inner(pairs[:, 1])).pow(2).sum(1)
                return torch.sqrt(square)

        model = Twins()
        (finding,) = only(judge(lambda: fit(model, pairs, same, loss=F.mse_loss, steps=6)))
        assert finding.where.line == line_of(Twins.forward, "torch.sqrt(")
        assert finding.cause.key == "causes.non-finite-backward" and finding.where.step == 1
        assert finding.evidence[1].value == 0

    def test_a_root_of_a_sum_that_is_never_zero_is_healthy(self, judge, fit, blobs):
        """Near miss: the same rows with a small number inside."""
        x, _ = blobs

        def loss(a, _):
            return torch.sqrt((a - a.roll(1, 0)).pow(2).sum(1) * 0 + a.pow(2).sum(1) + 1e-8).mean()

        assert only(judge(lambda: fit(net(3), x, x, loss=loss))) == []


class TestOnTheWay:
    def test_born_of_what_training_leads_to(self, judge, fit, blobs, line_of):
        """Answers begin above zero and are drawn below it: only then the logarithm breaks."""
        x, _ = blobs

        def loss(level, aim):
            error = (level - aim).pow(2).mean()
            return error + 1e-3 * torch.log(level + 0.5).mean()

        def train():
            model = net()
            nn.init.constant_(model[2].bias, 1.0)
            return fit(model, x, torch.full((256, 1), -1.0), loss=loss, rate=0.05)

        (finding,) = only(judge(train))
        assert finding.where.line == line_of(loss, "torch.log") and finding.where.step > 1
        assert finding.evidence[1].value < 0

    def test_driven_there_by_its_steps_is_not_this_cause(self, judge, fit, blobs):
        """Near miss: a rate far too high loses the loss, too, but every operation is sound."""
        x, _ = blobs
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        found = judge(lambda: fit(model, x, x[:, :1], loss=F.mse_loss, rate=30.0))
        assert only(found) == []
