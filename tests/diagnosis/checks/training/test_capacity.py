"""Too much regularisation, too small a network, and a network that learns its rows by heart."""

import functools

import torch
import torch.nn.functional as F
from torch import nn


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def dropping(share):
    def make():
        return nn.Sequential(
            nn.Linear(4, 32),
            nn.Tanh(),
            nn.Dropout(share),
            nn.Linear(32, 1),
        )

    return make


class TestOverRegularized:
    def test_weight_decay(self, train, found):
        finding = found(train(lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=30.0)), "over-regularized")[0]
        assert finding.cause.key == "causes.decay" and finding.cause.values == {"value": "30"}
        assert finding.severity.value == "critical" and finding.where.file == __file__

    def test_dropout(self, train, found):
        case = train(adam, model=dropping(0.99))
        finding = found(case, "over-regularized")[0]
        assert finding.cause.key == "causes.dropout" and finding.cause.values == {"value": "0.99"}
        assert finding.where.line == dropping.__code__.co_firstlineno + 5

    def test_usual_amounts_are_healthy(self, train, alarms):
        rule = functools.partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1)
        assert alarms(train(rule, model=dropping(0.3))) == []

    def test_much_of_it_against_what_cannot_be_learnt(self, train, refuted, rows):
        rule = functools.partial(torch.optim.Adam, lr=0.01, weight_decay=1.0)
        assert refuted(train(rule, y=rows(256, 1, 7)), "over-regularized")


class TestUnderfitting:
    def test_one_unit_for_two_folds(self, train, found, rows, net):
        y = 1.5 * rows(256)[:, :2].abs().sum(1, keepdim=True)
        finding = found(train(adam, y=y, model=lambda: net(hidden=1), steps=240), "underfitting")[0]
        assert finding.cause.values == {"parameters": 7}

    def test_units_enough_are_healthy(self, train, alarms, rows):
        y = 1.5 * rows(256)[:, :2].abs().sum(1, keepdim=True)
        assert alarms(train(lambda p: torch.optim.Adam(p, lr=0.03), y=y, steps=240)) == []

    def test_one_unit_for_noise(self, train, refuted, rows, net):
        case = train(adam, y=rows(256, 1, 7), model=lambda: net(hidden=1), steps=240)
        assert refuted(case, "underfitting")


class TestOverfitting:
    def by_heart(self, train, rows, target, net, **more):
        x, other = rows(32, 4, 11), rows(64, 4, 9)
        y, wanted = target(x) + rows(32, 1, 12), target(other) + rows(64, 1, 13)

        def evaluate(model):
            return F.mse_loss(model(other), wanted)

        return train(adam, x=x, y=y, size=16, steps=300, model=lambda: net(hidden=64), look_at=evaluate, **more)

    def test_noise_learnt_by_heart(self, train, found, rows, target, net):
        finding = found(self.by_heart(train, rows, target, net), "overfitting")[0]
        assert finding.picture.mark < len(finding.picture.values) - 5
        assert finding.where.step < 200 and finding.severity.value == "warning"

    def test_the_best_weights_come_back(self, train, found, rows, target, net):
        best = {key: value.clone() for key, value in net(hidden=64).state_dict().items()}
        case = self.by_heart(train, rows, target, net, last=lambda model: model.load_state_dict(best))
        assert found(case, "overfitting") == []

    def test_a_held_out_loss_that_falls_is_healthy(self, train, alarms, rows, target):
        other = rows(64, 4, 9)
        assert alarms(train(adam, steps=240, look_at=lambda m: F.mse_loss(m(other), target(other)))) == []
