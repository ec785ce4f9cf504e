"""Starts where the gradient vanishes, against small starts that get away."""

import torch
from torch import nn


def two_layers(std):
    def make():
        model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Linear(8, 4, bias=False))
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=std)
        return model

    return make


def sgd(lr):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr)


def test_products_of_next_to_nothing(train, alarms, found, rows):
    case = train(sgd(0.05), y=rows(256), model=two_layers(1e-5))
    finding = found(case, "saddle-point")[0]
    assert finding.where.line == two_layers.__code__.co_firstlineno + 2
    assert finding.evidence[0].what.key == "evidence.gradient_size" and finding.evidence[0].value < 0.01


def test_a_usual_start_is_healthy(train, alarms, rows):
    assert alarms(train(sgd(0.3), y=rows(256), model=two_layers(0.3))) == []


def test_a_low_rate_at_a_slope_is_no_saddle(train, found, rows):
    assert found(train(sgd(1e-6), y=rows(256), model=two_layers(0.3)), "saddle-point") == []


def test_a_flat_place_with_nothing_below_is_no_saddle(train, refuted, rows):
    case = train(sgd(0.05), y=0.5 * rows(256, 4, 7), model=two_layers(1e-5))
    assert refuted(case, "saddle-point")
