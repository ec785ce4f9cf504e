"""Units that are all one unit, and layers that are all one map."""

import torch
import torch.nn.functional as F
from torch import nn


def alike(value=0.05):
    """Return a network of which each layer's rows start the same."""
    model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4))
    for layer in (model[0], model[2]):
        nn.init.constant_(layer.weight, value)
        nn.init.zeros_(layer.bias)
    return model


class TestSymmetricInit:
    def test_all_rows_the_same(self, judge, fit, blobs, line_of):
        found = {finding.code: finding for finding in judge(lambda: fit(alike(), *blobs))}
        finding = found["symmetric-init"]
        assert finding.where.line == line_of(alike, "constant_") and finding.where.parameter == "0.weight"
        assert "`0.weight`" in finding.cause.text("en") and "`0.weight`" in finding.cause.text("zh")
        assert "16" in finding.cause.text()

    def test_they_do_stay_one_unit(self, fit, blobs):
        """What the check says is so: after training the hidden rows are the same still."""
        model = fit(alike(), *blobs)
        assert float((model[0].weight - model[0].weight[0]).detach().abs().max()) < 1e-6

    def test_drawn_weights_are_healthy(self, judge, fit, blobs):
        def train():
            model = alike()
            for layer in (model[0], model[2]):
                nn.init.normal_(layer.weight, std=0.2)
            return fit(model, *blobs, steps=30)

        assert judge(train) == []

    def test_a_last_layer_of_zeros_is_healthy(self, judge, fit, blobs):
        """Near miss: its rows are alike, their gradients are not."""

        def train():
            model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4))
            nn.init.zeros_(model[2].weight)
            return fit(model, *blobs, steps=30, rate=1e-3)

        assert judge(train) == []


def chain(between):
    """Return three layers with this module between them."""

    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two, self.three = nn.Linear(2, 16), nn.Linear(16, 16), nn.Linear(16, 2)

        def forward(self, x):
            x = between(self.one(x))
            return self.three(between(self.two(x)))

    return Chain()


class TestLinearNetwork:
    def test_nothing_between_the_layers(self, judge, fit, rings, line_of):
        found = judge(lambda: fit(chain(lambda x: x), *rings, rate=0.05, steps=80, size=48))
        (finding,) = [finding for finding in found if finding.code == "linear-network"]
        assert finding.where.line == line_of(chain, "self.one(x)") and "3" in finding.cause.text()
        straight, curved = (evidence.value for evidence in finding.evidence)
        assert straight < 0.75 < 0.85 < curved

    def test_an_activation_between_is_healthy(self, judge, fit, rings):
        assert judge(lambda: fit(chain(torch.tanh), *rings, rate=0.01, steps=80, size=48, rule=torch.optim.Adam)) == []

    def test_a_curve_that_is_no_activation(self, judge, fit, rings):
        """Near miss: squares bend a map as well as any activation, whatever it has learnt by now."""
        assert judge(lambda: fit(chain(lambda x: x + 0.1 * x.square()), *rings, rate=1e-4, steps=20, size=48)) == []

    def test_a_straight_task_needs_no_curve(self, judge, fit, rings):
        """Near miss: a factorised linear model on what a straight model explains as well as a curved one."""
        x, _ = rings
        y = (x @ torch.tensor([1.0, -1.0]) > 0).long()
        assert judge(lambda: fit(chain(lambda x: x), x, y, rate=1e-3, steps=20, size=48)) == []

    def test_one_layer_is_a_linear_model_on_purpose(self, judge, fit, rings):
        assert judge(lambda: fit(nn.Sequential(nn.Linear(2, 2)), *rings, steps=20, size=48)) == []

    def test_regression_too(self, judge, fit, rings):
        x, _ = rings
        y = x.prod(1, keepdim=True)
        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.1), nn.Linear(8, 1))
        found = judge(lambda: fit(model, x, y, loss=F.mse_loss, rate=0.05, steps=80, size=48))
        assert [finding.code for finding in found] == ["linear-network"]
