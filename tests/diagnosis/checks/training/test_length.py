"""Runs that stop while they learn, few large batches, and short runs that have arrived."""

import torch


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.003)


def test_it_stops_while_it_falls(train, alarms):
    assert alarms(train(adam, steps=12)) == ["stopped-too-early"]


def test_whole_batches_leave_few_updates(train, found):
    finding = found(train(adam, steps=12, size=256), "stopped-too-early")[0]
    assert finding.code == "batch-size"
    assert finding.cause.values == {"steps": 12, "size": 256, "rows": 256}


def test_whole_batches_and_updates_enough_are_healthy(train, alarms):
    assert alarms(train(lambda p: torch.optim.Adam(p, lr=0.02), steps=120, size=256)) == []


def test_a_short_run_that_has_arrived_is_healthy(train, alarms):
    assert alarms(train(lambda p: torch.optim.Adam(p, lr=0.03), steps=40)) == []


def test_noise_would_not_fall_farther(train, refuted, rows):
    assert refuted(train(adam, steps=30, y=rows(256, 1, 7)), "stopped-too-early")
