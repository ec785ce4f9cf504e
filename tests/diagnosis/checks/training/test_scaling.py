"""Inputs and targets whose scale alone keeps a network from learning, against odd scales that are learnt."""

import pytest
import torch
import torch.nn.functional as F

from thalweg.diagnosis.checks.training import scaling


def adam(lr):
    return lambda parameters: torch.optim.Adam(parameters, lr=lr)


class TestInputs:
    def test_columns_far_apart(self, train, found, rows, target):
        x = rows(256) * torch.tensor([1.0, 1.0, 3000.0, 3000.0])
        finding = found(train(adam(0.003), x=x, y=target(rows(256))), "unscaled-inputs")[0]
        assert finding.code == "unscaled-inputs"
        assert finding.evidence[0].value == pytest.approx(float(x.square().mean().sqrt()), rel=0.05)

    def test_normalised_twice(self, train, found, blobs):
        x, y = blobs()
        finding = found(train(adam(0.003), x=x / 2000, y=y, loss=F.cross_entropy), "unscaled-inputs")[0]
        assert finding.code == "shrunken-inputs" and "unscaled-inputs" not in finding.cause.key

    @pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
    def test_scales_that_are_learnt_are_healthy(self, train, alarms, rows, target, scale):
        assert alarms(train(adam(0.03), x=rows(256) * scale, y=target(rows(256)))) == []

    def test_odd_scales_beside_what_cannot_be_learnt(self, train, refuted, rows):
        case = train(adam(0.01), x=rows(256) * 100, y=rows(256, 1, 7))
        assert refuted(case, "unscaled-inputs")


class TestTargets:
    @pytest.mark.parametrize(("rate", "spread"), [(0.01, 200.0), (0.001, 20.0)])
    def test_far_from_unit_scale(self, train, found, rows, target, rate, spread):
        finding = found(train(adam(rate), y=target(rows(256)) * spread + 900), "unscaled-inputs")[0]
        assert finding.code == "unscaled-targets"

    def test_not_even_their_mean(self, train, found, rows, target, monkeypatch):
        monkeypatch.setattr(scaling, "judged", lambda case, facts: None)  # as where no experiment can be made
        finding = found(train(adam(0.001), y=target(rows(256)) * 20 + 900), "unscaled-inputs")[0]
        assert finding.cause.key == "causes.above-mean" and finding.code == "unscaled-targets"

    def test_a_few_units_are_healthy(self, train, alarms, rows, target):
        assert alarms(train(adam(0.03), y=target(rows(256)) * 3 + 2)) == []

    def test_far_off_and_learnt_is_healthy(self, train, found, rows, target, monkeypatch):
        monkeypatch.setattr(scaling, "judged", lambda case, facts: None)
        case = train(lambda p: torch.optim.SGD(p, lr=0.01), y=target(rows(256)) * 20 + 30)
        assert found(case, "unscaled-inputs") == []
