"""What is decided for the user, and what is refused before training."""

from pathlib import Path

import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import UsageError
from thalweg.data import Arrays
from thalweg.model import Built
from thalweg.train import EarlyStopping, Recipe, make_job, start, start_epoch
from thalweg.train.job import bounds


def job(source: str = "iris", **fields: object):
    return make_job(Recipe(data=tw.open_source(source), device="cpu", threads=1, **fields))  # type: ignore[arg-type]


def test_every_open_question_is_answered() -> None:
    recipe = job().recipe
    unresolved = [name for name in recipe.__dataclass_fields__ if getattr(recipe, name) is None]
    choices = ["init", "transfer", "unfreeze_every", "constraint", "max_seconds"]  # None is an answer
    assert [name for name in unresolved if name != "threads"] == choices


@pytest.mark.parametrize(
    ("source", "model"), [("iris", "mlp"), ("digits", "convnet"), ("diabetes", "mlp"), ("moons", "mlp")]
)
def test_default_networks(source: str, model: str) -> None:
    assert job(source).recipe.model.name == model


def test_a_batch_larger_than_the_data_becomes_the_full_batch() -> None:
    made = job(batch_size=1000)
    assert made.recipe.batch_size == len(made.data.train) and made.steps_per_epoch == 1
    assert any("full batch" in str(sentence) for sentence in made.said)


def test_a_last_batch_of_one_joins_the_one_before() -> None:
    assert bounds(21, 10) == [0, 10, 21] and bounds(22, 10) == [0, 10, 20, 22]
    assert bounds(1, 1) == [0, 1] and bounds(3, 1) == [0, 1, 2, 3]


def test_an_epoch_holds_every_example_once_in_an_order_of_its_own() -> None:
    made = job(batch_size=10)
    orders = []
    for number in (0, 1):
        epoch = start_epoch(made, number)
        rows = torch.cat([epoch.block(k).x for k in range(len(epoch))])
        assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, made.data.train.inputs.tolist()))
        orders.append(rows)
    assert not torch.equal(*orders)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"device": "nonsense"}, "device='nonsense' cannot be used here"),
        ({"windows": 50, "batch_size": 20}, r"`windows` must lie in \[1, batch size 20\], got 50"),
        ({"model": Built(module=nn.Linear(5, 3))}, r"does not take inputs of shape \(2, 4\)"),
        ({"model": Built(module=nn.Linear(4, 2))}, r"\(2, 2\).*3 classes|3 classes.*\(2, 2\)"),
        ({"model": Built(module=nn.LSTM(4, 3))}, "must return a tensor, got tuple"),
        ({"compile": True, "model": Built(module=nn.Linear(4, 3))}, "compile=True is for our own models"),
    ],
)
def test_parts_that_do_not_fit(fields: dict[str, object], sentence: str) -> None:
    recipe = {"data": tw.open_source("iris"), "device": "cpu"} | fields
    with pytest.raises(UsageError, match=sentence) as caught:
        make_job(Recipe(**recipe))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_stopping_by_a_metric_that_does_not_exist(tmp_path: Path) -> None:
    recipe = Recipe(data=tw.open_source("iris"), stop=EarlyStopping(metric="acuracy"), device="cpu", threads=1)
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        start(recipe, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_text_wants_a_network_that_reads_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("to be or not to be, that is the question. " * 200)
    with pytest.raises(UsageError, match="cannot read text"):
        make_job(Recipe(data=tw.open_source(str(tmp_path / "a.txt")), model=tw.mlp(8), device="cpu"))
    made = make_job(Recipe(data=tw.open_source(str(tmp_path / "a.txt")), device="cpu"))
    assert made.recipe.model.vocabulary == made.data.preparation.num_outputs


def test_rates_follow_the_schedule() -> None:
    made = job(epochs=4, rule=tw.rules.SGD(lr=0.5), schedule=tw.schedules.InverseTime(decay=1.0, staircase=True))
    per_epoch = made.steps_per_epoch
    assert made.moves(0, 2) == [{"lr": 0.5}] * 2 and made.moves(per_epoch, 1) == [{"lr": 0.25}]


def test_labels_are_learnt_from_arrays_too() -> None:
    X = torch.randn(40, 3).numpy()
    made = make_job(Recipe(data=Arrays(X=X, y=["a", "b"] * 20), device="cpu"))
    assert made.data.preparation.class_names == ("a", "b")
