"""Schedules in a run: for the rate and any other number, by time and by what is seen; recorded as used; refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import thalweg as tw
from thalweg.core import UsageError
from thalweg.schedules import SCHEDULES, progress
from thalweg.train import Folder, advance, make_job, start
from thalweg.train.loop import MOVES_AT_ONCE

MOVED: dict[str, dict[str, Any]] = {
    "momentum and decay": {
        "rule": "sgd(lr=0.1, momentum=0.9, weight_decay=0.01)",
        "schedules": {"momentum": "linear(end=0.5)", "weight_decay": "cosine"},
    },
    "a number of a rule inside": {"rule": "adamw+ema", "schedules": {"beta1": "linear(end=0.9)"}},
    "a number of a rule around": {"rule": "adamw+clip-norm", "schedules": {"clip_norm": "warmup(length=0.4)"}},
    "a strength": {"rule": "sgd", "penalties": ("l1(strength=2)",), "schedules": {"l1_strength": "cosine"}},
    "one by a metric": {
        "rule": "sgd(momentum=0.9)",
        "schedules": {"momentum": "plateau(patience=0, gamma=0.5, threshold=10, threshold_mode=abs)"},
    },
}


@pytest.mark.parametrize("fields", MOVED.values(), ids=MOVED)
@pytest.mark.parametrize("stepper", ["played", "direct"])
def test_what_is_recorded_is_what_the_schedule_says_and_the_step_was_taken_with(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path, fields: dict[str, Any], stepper: str
) -> None:
    precision = "bfloat16" if stepper == "direct" else "float32"
    session = train(start(make(**fields, schedule="cosine", epochs=4, precision=precision), out=tmp_path))
    trace, recipe = session.folder.trace(), session.job.recipe
    known = {"steps_per_epoch": 6, "num_steps": 24, "batch_size": 20, "seen": session.job.state.seen}
    at = progress(torch.arange(24), **known)
    moving = trace.moving()
    assert set(moving) == set(fields["schedules"])
    for name, (steps, values) in moving.items():
        np.testing.assert_array_equal(steps, np.arange(24))
        np.testing.assert_array_equal(values, recipe.hyper()[name] * recipe.schedules[name].factor(at).numpy())
        assert len(set(values)) > 1
    np.testing.assert_array_equal(trace.steps()["lr"], recipe.rule.lr * recipe.schedule.factor(at).numpy())


GIVEN = {
    "by-hand": "by-hand(points=[[0, 1], [1, 0.1]])",
    "milestones": "milestones(milestones=[0.5])",
    "sequence": "sequence(parts=[warmup, cosine])",
    "product": "product(parts=[warmup, cosine])",
    "restarts": "restarts(period=0.2)",
}


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_every_schedule_moves_the_rate_and_does_not_round_by_where_a_run_goes_on(
    make: Callable[..., Any], name: str
) -> None:
    """A processor takes several numbers at once and rounds those that are left over otherwise."""
    job = make_job(make(rule="sgd(lr=0.1)", schedule=GIVEN.get(name, name), epochs=700, stop=None))
    whole = [move["lr"] for move in job.moves(0, 2 * MOVES_AT_ONCE)]
    assert all(0 <= rate < 1 for rate in whole)
    for start_at in (1, 37, 1000, 1023):
        assert [move["lr"] for move in job.moves(start_at, MOVES_AT_ONCE)] == whole[start_at : start_at + MOVES_AT_ONCE]


def test_a_schedule_of_constants_changes_nothing(make: Callable[..., Any]) -> None:
    ends = []
    for schedules in ({}, {"momentum": "constant", "weight_decay": "constant"}):
        rule = "sgd(lr=0.1, momentum=0.9, weight_decay=0.01)"
        job = make_job(make(rule=rule, schedules=schedules))
        ends.append([snapshot.rows[0].loss for snapshot in advance(job)])
    assert ends[0] == ends[1]


def test_a_moved_momentum_is_the_one_that_steps(make: Callable[..., Any]) -> None:
    """Against plain arithmetic: v = momentum_t * v + g."""
    job = make_job(make(rule="sgd(lr=0.1, momentum=0.9)", schedules={"momentum": "linear(end=0.1)"}, stop=None))
    weight, speed = job.state.params["flat"], torch.zeros_like(job.state.params["flat"])
    before = weight.clone()
    for snapshot in advance(job):
        move = snapshot.moving[0]
        assert move["momentum"] <= 0.9
        new = job.state.memory["velocity"]["flat"]
        gradient = new - speed * move["momentum"]
        torch.testing.assert_close(weight, before - new * move["lr"], rtol=1e-5, atol=1e-7)
        assert float(torch.linalg.vector_norm(gradient)) == pytest.approx(snapshot.rows[0].grad_norm, rel=1e-3)
        before, speed = weight.clone(), new.clone()


def test_a_plateau_lowers_the_rate_by_what_it_saw(make: Callable[..., Any]) -> None:
    """With steps too short to change anything every second evaluation after the first makes it fall."""
    schedule = "plateau(metric=accuracy, better=higher, patience=1, gamma=0.1)"
    job = make_job(make(rule="sgd(lr=1e-9)", schedule=schedule, epochs=6, stop=None))
    rates = [snapshot.rows[0].lr for snapshot in advance(job)]
    np.testing.assert_allclose(rates, np.repeat([1e-9, 1e-9, 1e-9, 1e-10, 1e-10, 1e-11], 6), rtol=1e-9)
    assert [step for step, _ in job.state.seen["accuracy"]] == [6 * k for k in range(1, 7)]


def test_two_schedules_read_one_metric_each(make: Callable[..., Any]) -> None:
    job = make_job(
        make(
            rule="sgd(momentum=0.9)", schedule="plateau", epochs=2,
            schedules={"momentum": "plateau(metric=accuracy, better=higher)"},
        )
    )  # fmt: skip
    for _ in advance(job):
        pass
    assert set(job.state.seen) == set(job.metrics_read) == {"loss", "accuracy"}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"schedules": {"momentun": "linear"}}, "Unknown hyperparameter to schedule 'momentun': did you mean 'momentum'"),
    ({"schedules": {"lr": "linear"}}, "give the rate's as schedule="),
    ({"schedules": {"l2_strength": "linear"}}, "Unknown hyperparameter to schedule 'l2_strength'"),
    ({"schedules": {"momentum": "linaer"}}, "did you mean 'linear'"),
    ({"schedules": {"momentum": "linear(ending=0)"}}, r"Unknown key in \[schedules.momentum\] 'ending': did you mean"),
    ({"schedules": "linear"}, "`schedules` must be a table of names and values"),
    ({"rule": "sgd", "schedules": {"momentum": "linear"}}, "must move a number that is not zero, got 0.0. Give mom"),
    ({"schedule": "warmup(length=9, unit=epochs)"}, r"must fit into the run \(3 epochs\), got 9 epochs"),
    ({"schedules": {"momentum": "warmup(length=90, unit=steps)"}}, r"must fit into the run \(18 steps\), got 90 steps"),
    ({"schedule": "plateau(metric=acuracy, better=higher)"}, "'acuracy': did you mean 'accuracy'"),
    ({"schedule": "plateau", "split": tw.data.Split(validation=0.0)}, "there are no validation data; split some off"),
    ({"schedules": {"momentum": "by-hand(points=[[0, 1], [0.5, 2]])"}}, r"in \[0, 1\), got 1.8. That is at step 9"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "sentence"), REFUSED)
def test_schedules_that_cannot_be(make: Callable[..., Any], fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        make_job(make(**{"rule": "sgd(momentum=0.9)", **fields}))
    assert "\n" not in str(caught.value)


def test_nothing_is_left_behind_by_a_refused_run(make: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        start(make(schedule="warmup(length=9, unit=epochs)"), out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_runs_without_moving_numbers_write_none(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path
) -> None:
    train(start(make(), out=tmp_path))
    assert Folder(tmp_path / "iris-1").trace().moving() == {}
