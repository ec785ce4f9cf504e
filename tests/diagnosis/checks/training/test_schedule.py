"""Schedules stepped too often or too seldom, against those that end where they should."""

import pytest
import torch
from torch.optim import lr_scheduler


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def every_four(optimizer):
    return lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.1)


def long_warm_up(optimizer):
    return lr_scheduler.LambdaLR(optimizer, lambda k: min(1.0, (k + 1) / 20000))


def short_warm_up(optimizer):
    return lr_scheduler.LambdaLR(optimizer, lambda k: min(1.0, (k + 1) / 40))


def cosine(optimizer):
    return lr_scheduler.CosineAnnealingLR(optimizer, 160)


def test_epochs_are_counted_by_the_batch(train, found):
    finding = found(train(adam, schedule=every_four), "schedule-misstepped")[0]
    assert finding.cause.key == "causes.schedule-misstepped" and finding.cause.values["rate"] == "0.01"
    assert finding.where.file.endswith("conftest.py")  # where it is stepped, not where it is made
    assert finding.picture is not None and finding.picture.log and max(finding.picture.values) == 0.01


def test_a_warm_up_that_is_never_left(train, found):
    finding = found(train(adam, schedule=long_warm_up, each=8), "schedule-misstepped")[0]
    assert finding.cause.key == "causes.never-reached"
    assert finding.cause.values["rate"] == "0.01" and float(finding.cause.values["reached"]) < 1e-4


def one_cycle(optimizer):
    return lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=160)


@pytest.mark.parametrize("schedule", [one_cycle, cosine])
def test_a_course_over_all_batches_that_is_stepped_by_the_epoch(train, found, schedule):
    finding = found(train(adam, schedule=schedule, each=8), "schedule-misstepped")[0]
    assert finding.cause.key == "causes.seldom" and finding.cause.values == {"total": 160, "stepped": 20}
    assert finding.where.file.endswith("conftest.py")


@pytest.mark.parametrize("schedule", [one_cycle, lambda o: lr_scheduler.CosineAnnealingLR(o, 20)])
def test_courses_that_are_run_are_healthy(train, found, schedule):
    each = 1 if schedule is one_cycle else 8
    assert found(train(adam, schedule=schedule, each=each), "schedule-misstepped") == []


def test_a_warm_up_that_ends_is_healthy(train, alarms):
    assert alarms(train(adam, schedule=short_warm_up)) == []


def test_a_rate_that_goes_at_the_end_is_healthy(train, alarms):
    assert alarms(train(adam, schedule=cosine)) == []


def test_a_rate_that_goes_early_from_what_it_could_not_learn(train, found, rows):
    assert found(train(adam, y=rows(256, 1, 7), schedule=every_four), "schedule-misstepped") == []


def test_no_schedule(train, found):
    assert found(train(lambda p: torch.optim.SGD(p, lr=1e-6)), "schedule-misstepped") == []
