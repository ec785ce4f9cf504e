"""Weights that are judged and kept in place of those that train: averages, with batch statistics of their own."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import Outcome
from thalweg.model import Built, build_seeded
from thalweg.norms import BatchNorm
from thalweg.train import EarlyStopping, Folder, Job, advance, evaluate, make_job, start
from thalweg.train.loop import judged, needs_statistics

Weights = dict[str, torch.Tensor]


def trainable(job: Job) -> Weights:
    """Copy the weights that train, in double precision."""
    return {name: weight.detach().double().clone() for name, weight in job.state.trainable.items()}


def path_of(job: Job) -> list[Weights]:
    """Train to the end; return the weights after each step."""
    return [trainable(job) for _ in advance(job)]


def mean(path: list[Weights], shares: list[float]) -> Weights:
    return {name: sum(s * weights[name] for s, weights in zip(shares, path, strict=True)) for name in path[0]}  # type: ignore[misc]


def ema(count: int, decay: float = 0.8) -> list[float]:
    """Return the share of each step's weights in the corrected average after `count` steps."""
    return [(1 - decay) * decay ** (count - 1 - k) / (1 - decay**count) for k in range(count)]


def swa(count: int) -> list[float]:
    """Steps 8, 10, 12, ... alike."""
    chosen = [k > 6 and (k - 6) % 2 == 0 for k in range(1, count + 1)]
    return [c / sum(chosen) for c in chosen]


AVERAGES = {
    "sgd(lr=0.1)+ema(average_decay=0.8)": ema,
    "adam+ema(average_decay=0.8)": ema,
    "sgd(lr=0.1)+swa(swa_start=6, swa_every=2)": swa,
    "sgd(lr=0.1)+sam+ema(average_decay=0.8)": ema,
}


@pytest.mark.parametrize("rule", AVERAGES)
@pytest.mark.parametrize("flat", [True, False], ids=["flat", "apart"])
def test_what_is_judged_is_the_average(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, rule: str, flat: bool
) -> None:
    if not flat:
        monkeypatch.setattr("thalweg.train.state.FLAT_LIMIT", 0)
        monkeypatch.setattr("thalweg.train.making.FLAT_LIMIT", 0)
    job = make_job(make(rule=rule, stop=None))
    assert job.state.is_flat is flat
    path = path_of(job)
    expected = mean(path, AVERAGES[rule](len(path)))
    with judged(job):
        for name, weight in trainable(job).items():
            torch.testing.assert_close(weight, expected[name], rtol=1e-5, atol=1e-6)
    for name, weight in trainable(job).items():
        assert torch.equal(weight, path[-1][name])


def test_schedule_free_is_judged_by_the_mean_of_its_path(make: Callable[..., Any]) -> None:
    """At a constant rate every point of the path z counts alike."""
    job = make_job(make(rule="schedule-free-sgd(lr=0.1)", schedule="constant", stop=None))
    path = [job.state.memory["z"]["flat"].double().clone() for _ in advance(job)]
    with judged(job):
        torch.testing.assert_close(job.state.params["flat"].double(), torch.stack(path).mean(0), rtol=1e-5, atol=1e-6)


def test_schedule_free_is_judged_with_the_momentum_of_the_last_step(make: Callable[..., Any]) -> None:
    """Where the momentum moves, the end point is found with the one that the last step was taken with."""
    moves = {"momentum": "linear(end=0.5)"}
    job = make_job(make(rule="schedule-free-sgd(lr=0.1)", schedule="constant", schedules=moves, stop=None))
    last = [snapshot.moving[-1]["momentum"] for snapshot in advance(job)][-1]
    y, z = job.state.params["flat"].clone(), job.state.memory["z"]["flat"]
    assert last < 0.5
    with judged(job):
        torch.testing.assert_close(job.state.params["flat"], y + (1 - 1 / last) * (z - y), rtol=1e-5, atol=1e-6)


def test_the_run_is_evaluated_and_ends_with_the_average(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path
) -> None:
    rule, path = "sgd(lr=0.1)+ema(average_decay=0.8)", []
    session = start(make(rule=rule, stop=None), out=tmp_path)
    evaluations = {}
    for snapshot in session:
        path.append(trainable(session.job))
        if snapshot.evaluation:
            evaluations[len(path)] = snapshot.evaluation["validation"]["loss"]
    job = session.job
    apart = copy.deepcopy(job.state.module)
    for count, loss in evaluations.items():
        fill(apart, mean(path[:count], ema(count)))
        assert evaluate(apart, job.loss, job.data.validation, job.task)["loss"] == pytest.approx(loss, rel=1e-5)
    assert len(evaluations) == 3
    expected = mean(path, ema(len(path)))
    for name, weight in tw.Run(session.folder.path).model.named_parameters():
        torch.testing.assert_close(weight.double(), expected[name], rtol=1e-5, atol=1e-6)
    final = dict(zip(*session.folder.trace().series("final-validation", "loss"), strict=True))
    assert list(final.values()) == [pytest.approx(evaluations[len(path)], rel=1e-6)]


def fill(module: nn.Module, weights: Weights) -> None:
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(weights[name])


def test_the_best_weights_are_judged_ones(make: Callable[..., Any], tmp_path: Path) -> None:
    session = start(make(rule="sgd(lr=2.0)+ema(average_decay=0.8)", epochs=12, schedule="constant"), out=tmp_path)
    path, best = [], 0
    for snapshot in session:
        path.append(trainable(session.job))
        best = len(path) if snapshot.improved else best
    assert 0 < best < len(path), "the best evaluation must lie before the end"
    expected = mean(path[:best], ema(best))
    for name, weight in tw.Run(session.folder.path).model.named_parameters():
        torch.testing.assert_close(weight.double(), expected[name], rtol=1e-5, atol=1e-6)
        assert torch.equal(session.job.state.module.get_parameter(name), weight)


def test_averages_get_batch_statistics_of_their_own(make: Callable[..., Any], tmp_path: Path) -> None:
    """Moving averages that lag behind the weights would make the average of the weights guess.

    Others evaluate averaged weights with the statistics of the last ones (github.com/Lightning-AI/pytorch-lightning,
    issue 14866).
    """
    slow = tw.mlp(16, 16, norm=BatchNorm(momentum=1e-4))
    session = start(make(rule="sgd(lr=0.3, momentum=0.9)+ema(average_decay=0.9)", model=slow, epochs=20), out=tmp_path)
    accuracy = [snapshot.evaluation["train"]["accuracy"] for snapshot in session if snapshot.evaluation][-1]
    job = session.job
    assert accuracy > 0.9
    run = tw.Run(session.folder.path)
    assert evaluate(run.model, job.loss, job.data.train, job.task)["accuracy"] > 0.9
    stale = run.model
    fresh = build_seeded(slow, (4,), 3, 0)
    with torch.no_grad():
        for buffer, start_value in zip(stale.buffers(), fresh.buffers(), strict=True):
            buffer.copy_(start_value)  # what moving averages that hardly move would be
    assert evaluate(stale, job.loss, job.data.train, job.task)["accuracy"] < 0.75


MODELS = {
    "played": tw.mlp(8, norm="batch", dropout=0.3),
    "direct": Built(
        module=nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))
    ),
    "spectral": tw.mlp(8, norm="spectral", dropout=0.3),
    "renorm": tw.mlp(8, norm="batch-renorm", dropout=0.3),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("statistics", ["moving", "precise"])
def test_evaluating_does_not_disturb_training(make: Callable[..., Any], model: Any, statistics: str) -> None:
    def trained(every: int) -> Weights:
        fields = {"model": model, "rule": "adamw+ema", "statistics": statistics, "stop": None, "epochs": 5}
        job = make_job(make(**fields, evaluate_every=every))
        looks = sum(snapshot.evaluation is not None for snapshot in advance(job))
        assert looks == 5 // every
        memory = {f"{slot}.{name}": t for slot, part in job.state.memory.items() for name, t in part.items()}
        return {**{name: t.clone() for name, t in job.state.weights().items()}, **memory}

    often, seldom = trained(1), trained(5)
    assert all(torch.equal(tensor, seldom[name]) for name, tensor in often.items())


def test_precise_statistics_are_those_of_all_training_data(make: Callable[..., Any]) -> None:
    """With one batch of all examples evaluation equals training on it; training itself is undisturbed."""
    model = tw.mlp(8, norm="batch")
    jobs = [make_job(make(model=model, batch_size=1000, statistics=s, stop=None)) for s in ("precise", "moving")]
    ends = [[s for s in advance(job)][-1] for job in jobs]
    assert [row.loss for row in ends[0].rows] == [row.loss for row in ends[1].rows]
    assert all(torch.equal(w, jobs[1].state.weights()[name]) for name, w in jobs[0].state.weights().items())
    job = jobs[0]
    x, y = job.data.train.batch(torch.arange(len(job.data.train)))
    with torch.no_grad():
        loss = float(job.loss.total(copy.deepcopy(job.state.module).train()(x), y))
    assert len(job.sample) == len(job.data.train)
    assert ends[0].evaluation["train"]["loss"] == pytest.approx(loss, rel=1e-5)  # type: ignore[index]
    assert ends[1].evaluation["train"]["loss"] != pytest.approx(loss, rel=1e-2)  # type: ignore[index]


def test_precise_statistics_are_kept_with_the_weights(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path
) -> None:
    """What a run is used with equals what its evaluation said, with early stopping and without."""
    for number, stop in enumerate((None, EarlyStopping()), start=1):
        recipe = make(model=tw.mlp(8, norm="batch"), statistics="precise", rule="sgd(lr=0.1)", stop=stop)
        job = train(start(recipe, out=tmp_path)).job
        run = tw.Run(tmp_path / f"iris-{number}")
        found = evaluate(run.model, job.loss, job.data.validation, job.task)
        assert found["loss"] == pytest.approx(run.scores["validation"]["loss"], rel=1e-6)
        with judged(job):
            again = evaluate(job.state.module, job.loss, job.data.validation, job.task)
        assert again["loss"] == pytest.approx(found["loss"], rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "needed"),
    [
        ({"model": tw.mlp(8, norm="batch")}, False),
        ({"model": tw.mlp(8, norm="batch"), "statistics": "precise"}, True),
        ({"model": tw.mlp(8, norm="batch"), "rule": "sgd+ema"}, True),
        ({"model": tw.mlp(8, norm="layer"), "rule": "sgd+ema", "statistics": "precise"}, False),
    ],
)
def test_statistics_are_taken_anew_where_they_would_be_stale(
    make: Callable[..., Any], fields: dict[str, Any], needed: bool
) -> None:
    assert needs_statistics(make_job(make(**fields))) is needed


def test_a_run_that_was_lost_before_any_evaluation_tells_of_no_best_weights(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path
) -> None:
    session = train(start(make(source="diabetes", rule="sgd(lr=1e9)+ema"), out=tmp_path))
    assert session.outcome is Outcome.DIVERGED
    assert len(session.told) == 1 and "no longer a number" in str(session.told[0])
    losses = Folder(session.folder.path).trace().steps()["loss"]
    assert not np.isfinite(losses[-1])
