"""Evaluations on other rows than training's, on the same rows, and with a column that is not known in time."""

import pytest
import torch
import torch.nn.functional as F


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def scored(x):
    return lambda model: model(x).mean()


class TestTrainTestMismatch:
    @pytest.mark.parametrize(
        "change", [lambda x: 4 * x, lambda x: x + 2, lambda x: x / 255], ids=["wide", "off", "small"]
    )
    def test_another_scale(self, train, found, rows, change):
        finding = found(train(adam, look_at=scored(change(rows(64, 4, 9)))), "train-test-mismatch")[0]
        assert finding.severity.value == "critical" and finding.where.line == scored.__code__.co_firstlineno + 1

    def test_a_drift_of_the_population_is_healthy(self, train, alarms, rows):
        assert alarms(train(adam, look_at=scored(1.2 * rows(64, 4, 9) + 0.3))) == []

    def test_one_column_on_another_scale_is_not_the_middle_one(self, train, found, rows):
        x = rows(64, 4, 9) * torch.tensor([3.0, 1.0, 1.0, 1.0])
        assert found(train(adam, look_at=scored(x)), "train-test-mismatch") == []


class TestDataLeak:
    def known_afterwards(self, rows):
        x = rows(256)
        y = (x[:, 0] * x[:, 1] > 0).long()
        return torch.cat([x, y[:, None].float()], dim=1), y

    def test_a_column_that_is_known_afterwards(self, train, found, rows):
        x, y = self.known_afterwards(rows)
        blank = torch.cat([rows(64, 4, 9), torch.zeros(64, 1)], dim=1)
        finding = found(train(adam, x=x, y=y, loss=F.cross_entropy, look_at=scored(blank)), "data-leak")[0]
        assert finding.cause.values["column"] == 4 and float(finding.cause.values["percent"]) > 95

    def test_a_column_that_is_known_in_time_is_healthy(self, train, alarms, rows):
        x, y = self.known_afterwards(rows)
        other = rows(64, 4, 9)
        known = torch.cat([other, (other[:, :1] * other[:, 1:2] > 0).float()], dim=1)
        assert alarms(train(adam, x=x, y=y, loss=F.cross_entropy, look_at=scored(known))) == []

    def test_a_column_that_stands_still_and_told_nothing(self, train, found, rows):
        x, y = self.known_afterwards(rows)
        blank = torch.cat([rows(64, 3, 9), torch.zeros(64, 1), (rows(64, 1, 9) > 0).float()], dim=1)
        assert found(train(adam, x=x, y=y, loss=F.cross_entropy, look_at=scored(blank)), "data-leak") == []

    def test_rows_on_both_sides(self, train, found, rows):
        both = torch.cat([rows(256)[:20], rows(44, 4, 9)])
        finding = found(train(adam, look_at=scored(both)), "data-leak")[0]
        assert finding.cause.key == "causes.rows-on-both-sides" and finding.cause.values == {"percent": "31"}

    @pytest.mark.parametrize("share", [0, 1, 64], ids=["none", "by chance", "on purpose"])
    def test_none_one_or_all(self, train, found, rows, share):
        some = torch.cat([rows(256)[:share], rows(64 - share, 4, 9)])
        assert found(train(adam, look_at=scored(some)), "data-leak") == []
