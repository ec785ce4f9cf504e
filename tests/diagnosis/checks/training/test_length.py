"""Runs that stop while they learn, few large batches, and short runs that have arrived."""

import itertools

import torch
import torch.nn.functional as F
from torch import nn


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.003)


def test_it_stops_while_it_falls(train, alarms):
    assert alarms(train(adam, steps=12)) == ["stopped-too-early"]


def test_whole_batches_leave_few_updates(train, found):
    case = train(adam, steps=12, size=256)
    finding = found(case, "batch-size")[0]
    assert finding.cause.values == {"steps": 12, "size": 256, "rows": 256, "better": 32}


def test_a_batch_norm_over_two_rows(train, found, blobs):
    def net():
        layers = [[nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU()] for _ in range(3)]
        return nn.Sequential(nn.Linear(4, 32), *itertools.chain(*layers), nn.Linear(32, 3))

    x, y = blobs()
    for size, wanted in ((2, ["causes.batch-of-few"]), (32, [])):
        case = train(
            lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5), x=x, y=y, model=net, loss=F.cross_entropy,
            size=size, steps=400,
        )  # fmt: skip
        assert [finding.cause.key for finding in found(case, "batch-size")] == wanted


def test_two_rows_without_a_norm_over_them_are_healthy(train, found, blobs):
    x, y = blobs()
    assert found(train(adam, x=x, y=y, loss=F.cross_entropy, size=2), "batch-size") == []


def test_whole_batches_and_updates_enough_are_healthy(train, alarms):
    assert alarms(train(lambda p: torch.optim.Adam(p, lr=0.02), steps=120, size=256)) == []


def test_a_short_run_that_has_arrived_is_healthy(train, alarms):
    assert alarms(train(lambda p: torch.optim.Adam(p, lr=0.03), steps=40)) == []


def test_noise_would_not_fall_farther(train, refuted, rows):
    assert refuted(train(adam, steps=30, y=rows(256, 1, 7)), "stopped-too-early")
