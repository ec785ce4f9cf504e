"""Rectifiers that never wake, and sigmoids and tanhs that are flat from the start."""

import pytest
import torch
from torch import nn


def drowned(bias, kind=nn.ReLU):
    """Return a network whose rectified layer starts with this bias."""
    model = nn.Sequential(nn.Linear(4, 24), kind(), nn.Linear(24, 4))
    nn.init.constant_(model[0].bias, bias)
    return model


class TestDeadRelu:
    def test_born_dead(self, judge, fit, blobs, line_of):
        def train():
            return fit(drowned(-30.0), *blobs)

        (finding,) = judge(train)
        assert finding.code == "dead-relu" and finding.severity == "critical"
        assert finding.where.line == line_of(drowned, "constant_") and finding.where.layer == "1"
        assert finding.evidence[0].value == 1.0 and "vanishing-gradients" in finding.explains

    def test_the_layer_stands_in_backticks_in_both_languages(self, judge, fit, blobs):
        (finding,) = judge(lambda: fit(drowned(-30.0), *blobs))
        assert "layer `1`" in finding.cause.text("en") and "第 `1` 层" in finding.cause.text("zh")

    def test_killed_later_is_only_noted(self, judge, fit, blobs):
        def train():
            model = fit(drowned(0.0), *blobs, steps=10)
            with torch.no_grad():
                model[0].bias -= 30  # as one step too long would
            return fit(model, *blobs, steps=20)

        (finding,) = judge(train)
        assert (finding.code, finding.severity, finding.explains) == ("dead-relu", "note", ())
        assert finding.cause.key == "causes.dead-relu" and "`1`" in finding.cause.text("zh")

    @pytest.mark.parametrize("bias", [0.0, -1.5])
    def test_awake_is_healthy(self, judge, fit, blobs, bias):
        """Near miss: a negative bias that leaves most units some rows."""
        assert judge(lambda: fit(drowned(bias), *blobs, rate=0.05)) == []

    def test_a_leak_keeps_units_alive(self, judge, fit, blobs):
        assert judge(lambda: fit(drowned(-30.0, nn.LeakyReLU), *blobs)) == []

    def test_a_dead_layer_beside_one_that_learns_is_healthy(self, judge, fit, blobs):
        """Near miss: what is dead does no harm where the loss falls all the same."""

        class Beside(nn.Module):
            def __init__(self):
                super().__init__()
                self.dead, self.live, self.out = nn.Linear(4, 8), nn.Linear(4, 16), nn.Linear(16, 4)
                nn.init.constant_(self.dead.bias, -30.0)

            def forward(self, x):
                return self.out(torch.tanh(self.live(x))) + torch.relu(self.dead(x)).sum(1, keepdim=True)

        assert judge(lambda: fit(Beside(), *blobs, steps=120, rate=0.3)) == []


def squashed(gain, kind=nn.Tanh):
    """Return a network whose weights are this many times Xavier's."""
    model = nn.Sequential(nn.Linear(4, 24), kind(), nn.Linear(24, 24), kind(), nn.Linear(24, 4))
    for layer in model[:4:2]:
        nn.init.xavier_normal_(layer.weight, gain=gain)
    return model


class TestSaturatedUnits:
    @pytest.mark.parametrize("kind", [nn.Tanh, nn.Sigmoid])
    def test_flat_from_the_start(self, judge, fit, blobs, line_of, kind):
        (finding,) = judge(lambda: fit(squashed(60.0, kind), *blobs, rate=1e-3))
        layer = finding.where.layer
        assert finding.code == "saturated-units" and layer in ("1", "3")
        assert finding.where.line == line_of(squashed, "xavier_normal_") and finding.evidence[0].value > 0.8
        assert f"Layer `{layer}`" in finding.cause.text("en") and f"第 `{layer}` 层" in finding.cause.text("zh")

    def test_inputs_that_are_too_large(self, judge, fit, blobs, line_of):
        """The weights are as they should be: the line is that of the layer that meets the inputs."""
        x, y = blobs

        def train():
            model = nn.Sequential(
                nn.Linear(4, 24),
                nn.Tanh(),
                nn.Linear(24, 4),
            )
            return fit(model, 400 * x, y, rate=1e-3)

        (finding,) = judge(train)
        assert finding.code == "saturated-units" and finding.where.line == line_of(train, "nn.Linear(4, 24)")

    def test_usual_weights_are_healthy(self, judge, fit, blobs):
        assert judge(lambda: fit(squashed(1.0), *blobs, rate=0.1)) == []

    def test_twice_the_usual_weights_are_healthy(self, judge, fit, blobs):
        """Near miss: some units are flat for some rows, and it learns."""
        assert judge(lambda: fit(squashed(2.0), *blobs, rate=0.1, steps=120)) == []

    def test_flat_answers_are_no_hidden_units(self, judge, fit, blobs):
        """Near miss: a squashed answer that is sure of itself lies beyond the last weights."""
        x, _ = blobs
        sign = torch.where(x[:, :1] > 0, 1.0, -1.0)

        def train():
            model = nn.Sequential(nn.Linear(4, 1), nn.Tanh())
            nn.init.constant_(model[0].weight, 40.0)
            return fit(model, x, sign, loss=nn.functional.mse_loss, rate=1e-4, steps=30)

        assert judge(train) == []
