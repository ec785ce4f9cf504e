"""Settings of the rule that keep it from working, rules that cannot, and odd settings that do no harm."""

import pytest
import torch
from torch import nn


class Uneven(nn.Module):
    """One weight sees its input fifty times as large as the others: no rate serves both."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 1))
        self.register_buffer("gauge", torch.tensor([10.0, 0.2, 0.2, 0.2]))

    def forward(self, x):
        return (x * self.gauge) @ self.weight


@pytest.mark.parametrize(
    ("rule", "setting", "better"),
    [
        (lambda p: torch.optim.Adam(p, lr=0.01, eps=10.0), "eps", "1e-08"),
        (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.999), "momentum", "0.9"),
    ],
    ids=["eps", "momentum"],
)
def test_a_setting_far_from_use(train, found, rule, setting, better):
    finding = found(train(rule), "optimizer-settings")[0]
    assert (finding.cause.values["setting"], finding.cause.values["better"]) == (setting, better)
    assert finding.where.line == rule.__code__.co_firstlineno


def test_a_rule_that_scales_no_step(train, found, rows):
    case = train(lambda p: torch.optim.SGD(p, lr=1e-3), model=Uneven, y=rows(256)[:, 1:2])
    finding = found(case, "optimizer-settings")[0]
    assert finding.cause.key == "causes.other-rule" and finding.cause.values["rule"] == "SGD"


@pytest.mark.parametrize("eps", [1e-8, 1e-4])
def test_settings_that_do_no_harm(train, alarms, eps):
    assert alarms(train(lambda p: torch.optim.Adam(p, lr=0.01, eps=eps))) == []


def test_odd_settings_beside_what_cannot_be_learnt(train, refuted, rows):
    case = train(lambda p: torch.optim.Adam(p, lr=0.01, eps=1.0), y=rows(256, 1, 7))
    assert refuted(case, "optimizer-settings")
