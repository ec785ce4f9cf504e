"""A run under way: how it begins, ends, is left, and goes on."""

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import Outcome, RunError, UsageError
from thalweg.model import Built
from thalweg.train import EarlyStopping, Folder, Recipe, Session, checkpoint, resume, start


def recipe(**fields: object) -> Recipe:
    given = {
        "data": tw.open_source("iris"),
        "model": tw.mlp(8),
        "epochs": 20,
        "device": "cpu",
        "threads": 1,
    } | fields
    return Recipe(**given)  # type: ignore[arg-type]


def train(session: Session, *, steps: int | None = None) -> Session:
    for snapshot in session:
        if steps is not None and snapshot.rows[-1].step + 1 >= steps:
            break
    return session


def weights(session: Session) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in session.job.state.weights().items()}


def test_a_run_leaves_everything_that_is_needed(tmp_path: Path) -> None:
    session = train(start(recipe(), out=tmp_path))
    folder = Folder(tmp_path / "iris-1")
    assert session.outcome in (Outcome.FINISHED, Outcome.STOPPED_EARLY)
    trace = folder.trace()
    steps = trace.steps()
    assert list(steps["step"]) == list(range(len(steps["step"]))) and len(steps["step"]) == session.job.state.step
    assert all(np.isfinite(steps[name]).all() for name in ("loss", "lr", "grad_norm", "seconds"))
    splits = {row["split"] for row in trace.evaluations()}
    assert splits == {"train", "validation", "final-validation", "test"}
    signals = {row["signal"] for row in trace.layers()}
    assert {"act_mean", "act_std", "dead", "saturated", "grad_norm", "update_ratio", "weight_norm"} <= signals
    assert trace.meta()["layers"] == ["linear1", "act1", "output"]
    assert folder.recipe().threads == 1 and folder.made_with()["torch"] == torch.__version__
    module = folder.module()
    best = session.job.state.weights()
    assert all(torch.equal(tensor, best[name]) for name, tensor in module.named_parameters())


def test_runs_repeat_bit_for_bit(tmp_path: Path) -> None:
    first = train(start(recipe(model=tw.mlp(8, dropout=0.2)), out=tmp_path))
    again = train(start(Folder(tmp_path / "iris-1").recipe(), out=tmp_path))
    assert all(torch.equal(tensor, weights(again)[name]) for name, tensor in weights(first).items())
    other = train(start(recipe(model=tw.mlp(8, dropout=0.2), seed=1), out=tmp_path))
    assert not all(torch.equal(tensor, weights(other)[name]) for name, tensor in weights(first).items())


@pytest.mark.parametrize("leave", ["break", "stop"])
def test_left_and_resumed_is_as_never_left(leave: str, tmp_path: Path) -> None:
    whole = train(start(recipe(), out=tmp_path, folder=tmp_path / "whole"))
    session = start(recipe(), out=tmp_path, folder=tmp_path / "left")
    if leave == "break":
        train(session, steps=37)
    else:
        for snapshot in session:
            if snapshot.rows[-1].step == 36:
                session.stop()
    assert session.outcome is Outcome.INTERRUPTED and session.job.state.step == 37
    resumed = train(resume(tmp_path / "left"))
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())
    left, right = (Folder(tmp_path / name).trace() for name in ("left", "whole"))
    np.testing.assert_array_equal(left.steps()["loss"], right.steps()["loss"])
    assert left.evaluations() == right.evaluations()


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    train(start(recipe(epochs=2), out=tmp_path))
    with pytest.raises(RunError, match="is finished"):
        resume(tmp_path / "iris-1")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    session = start(recipe(), out=tmp_path)
    with pytest.raises(RunError, match="another process"):
        resume(tmp_path / "iris-1")
    train(session, steps=3)
    train(resume(tmp_path / "iris-1"))


def test_changed_data_are_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("a,b,y\n" + "".join(f"{k},{k % 7},{k * 0.5 + 0.25}\n" for k in range(60)))
    train(start(recipe(data=tw.open_source(str(table), target="y")), out=tmp_path), steps=3)
    table.write_text(table.read_text().replace("0.25", "0.75"))
    with pytest.raises(RunError, match=r"data of .* have changed"):
        resume(tmp_path / "table-1")


def test_the_best_weights_come_back(tmp_path: Path) -> None:
    session = start(recipe(epochs=60, stop=EarlyStopping(patience=3), evaluate_every=1), out=tmp_path)
    kept = {}
    for snapshot in session:
        if snapshot.improved:
            kept = weights(session)
    assert session.outcome is Outcome.STOPPED_EARLY or session.job.state.best.waited == 0
    assert all(torch.equal(tensor, weights(session)[name]) for name, tensor in kept.items())


def test_divergence_is_an_outcome(tmp_path: Path) -> None:
    diabetes = tw.open_source("diabetes")
    session = train(start(recipe(data=diabetes, rule=tw.rules.SGD(lr=1e4)), out=tmp_path))
    assert session.outcome is Outcome.DIVERGED and "no longer a number" in str(session.told[0])
    assert not np.isfinite(Folder(tmp_path / "diabetes-1").trace().steps()["loss"][-1])


def test_the_budget_ends_a_run_which_can_go_on(tmp_path: Path) -> None:
    session = train(start(recipe(epochs=10_000, max_seconds=0.2, stop=None), out=tmp_path))
    assert session.outcome is Outcome.BUDGET
    assert Folder(tmp_path / "iris-1").trace().meta()["seconds"] < 2


class Moody(nn.Module):
    """A user's module: draws from every global generator, and breaks when told to."""

    def __init__(self, fails_at: int = -1) -> None:
        super().__init__()
        self.layer, self.drop = nn.Linear(4, 3), nn.Dropout(0.5)
        self.calls, self.fails_at = 0, fails_at

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
            if self.calls == self.fails_at:
                raise ValueError("the user's own mistake")
            x = x + random.gauss(0, 0.1) + float(np.random.normal(0, 0.1)) + 0.1 * torch.randn_like(x)
        return self.layer(self.drop(x))


def test_a_users_module_resumes_bit_for_bit(tmp_path: Path) -> None:
    model = Built(module=Moody())
    whole = train(start(recipe(model=model), out=tmp_path, folder=tmp_path / "whole"))
    train(start(recipe(model=model), out=tmp_path, folder=tmp_path / "left"), steps=41)
    with pytest.raises(UsageError, match="made in Python"):
        resume(tmp_path / "left")
    resumed = train(resume(tmp_path / "left", model=model))
    assert all(torch.equal(tensor, weights(resumed)[name]) for name, tensor in weights(whole).items())


def test_an_exception_is_the_users_and_loses_nothing(tmp_path: Path) -> None:
    session = start(recipe(model=Built(module=Moody(fails_at=30))), out=tmp_path)
    with pytest.raises(ValueError, match="own mistake"):
        train(session)
    assert len(Folder(tmp_path / "iris-1").trace().steps()["step"]) == session.job.state.step >= 20
    train(resume(tmp_path / "iris-1", model=Built(module=Moody())))


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    model = Built(module=Moody())
    before = (
        torch.get_num_threads(),
        torch.get_rng_state(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
    )
    train(start(recipe(model=model), out=tmp_path))
    after = (
        torch.get_num_threads(),
        torch.get_rng_state(),
        random.getstate(),
        np.random.get_state()[1].tolist(),
    )
    assert before[0] == after[0] and torch.equal(before[1], after[1]) and before[2:] == after[2:]


def test_a_folder_in_use_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(RunError, match="is not empty"):
        start(recipe(), out=tmp_path, folder=tmp_path / "full")
    with pytest.raises(RunError, match="is no run"):
        resume(tmp_path / "full")


def test_without_validation_there_is_no_early_stopping(tmp_path: Path) -> None:
    session = train(start(recipe(split=tw.data.Split(validation=0.0), epochs=3), out=tmp_path))
    assert session.outcome is Outcome.FINISHED and session.job.state.best_weights is None
    assert any("no validation data" in str(sentence) for sentence in session.job.said)


def test_calibration_changes_nothing(tmp_path: Path) -> None:
    """A run whose threads are measured equals the run that is told the same number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured = start(recipe(threads=None, model=tw.mlp(8, dropout=0.5, norm="batch")), out=tmp_path)
    told = start(recipe(threads=measured.job.recipe.threads, model=tw.mlp(8, dropout=0.5, norm="batch")), out=tmp_path)
    assert all(torch.equal(tensor, weights(told)[name]) for name, tensor in weights(measured).items())
    train(measured), train(told)
    assert all(torch.equal(tensor, weights(told)[name]) for name, tensor in weights(measured).items())


def test_damaged_and_foreign_checkpoints(tmp_path: Path) -> None:
    train(start(recipe(), out=tmp_path), steps=20)
    path = Folder(tmp_path / "iris-1").last_checkpoint
    whole = path.read_bytes()
    for content, sentence in ((whole[:500], "damaged"), (b"not a checkpoint", "damaged"), (b"", "damaged")):
        path.write_bytes(content)
        with pytest.raises(RunError, match=sentence):
            resume(tmp_path / "iris-1")
    train(start(recipe(model=tw.mlp(9)), out=tmp_path), steps=20)
    path.write_bytes(Folder(tmp_path / "iris-2").last_checkpoint.read_bytes())
    with pytest.raises(
        RunError, match=r"belongs to another model: .* has shape \(9, 4\) in the file, \(8, 4\) in the model"
    ):
        resume(tmp_path / "iris-1")
    train(start(recipe(rule=tw.rules.SGD(momentum=0.9)), out=tmp_path), steps=20)
    path.write_bytes(Folder(tmp_path / "iris-3").last_checkpoint.read_bytes())
    with pytest.raises(RunError, match="written with another rule"):
        resume(tmp_path / "iris-1")
    path.write_bytes(whole)
    assert checkpoint.read(path)[0]["step"] == 20
    train(resume(tmp_path / "iris-1"))
