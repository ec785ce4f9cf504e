"""Runs to report on: four real ones, trained once, and traces written by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from thalweg.core import set_language
from thalweg.data import Arrays, Diabetes, Digits, Source
from thalweg.model import Model, mlp
from thalweg.rules import SGD, AdamW, Rule
from thalweg.signals import TraceWriter
from thalweg.train import Folder, Recipe, start

EVIL = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def english() -> object:
    set_language("en")
    yield
    set_language(None)


def train(
    out: Path,
    data: Source,
    *,
    rule: Rule | None = None,
    model: Model | None = None,
    epochs: int = 6,
    leave: int = 0,
) -> Folder:
    """Train a small run to its end, or leave it after `leave` snapshots."""
    recipe = Recipe(
        data=data,
        model=model or mlp(16),
        rule=rule or AdamW(lr=3e-3),
        epochs=epochs,
        threads=1,
        evaluate_every=1,
    )
    session = start(recipe, out=out)
    for count, _ in enumerate(session, start=1):
        if count == leave:
            break
    return session.folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return train(tmp_path_factory.mktemp("runs"), Digits())


@pytest.fixture(scope="session")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return train(tmp_path_factory.mktemp("runs"), Diabetes())


@pytest.fixture(scope="session")
def diverged(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return train(tmp_path_factory.mktemp("runs"), Diabetes(), rule=SGD(lr=1e3))


@pytest.fixture(scope="session")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return train(tmp_path_factory.mktemp("runs"), Digits(), leave=60)


@pytest.fixture(scope="session")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A run whose classes are named to do harm."""
    rng = np.random.default_rng(0)
    data = Arrays(X=rng.normal(size=(120, 3)), y=np.array([EVIL, 'b" onload="x', "正常"])[np.arange(120) % 3])
    return train(tmp_path_factory.mktemp("runs"), data, epochs=2)


@pytest.fixture
def written(tmp_path: Path, digits: Folder) -> Callable[..., Folder]:
    """Write a run by hand: a recipe, and a trace of `losses`; no checkpoint, no outcome unless given."""

    def write(losses: np.ndarray, *, outcome: str | None = None, per_epoch: int = 100) -> Folder:
        (tmp_path / "recipe.toml").write_text(digits.recipe_file.read_text())
        writer = TraceWriter(tmp_path)
        rows = [(k, 0, k / per_epoch, loss, 0.01, 1.0, 1e-4 * k) for k, loss in enumerate(losses.tolist())]
        writer.steps(rows)
        if outcome:
            writer.set_meta(outcome=outcome, seconds=1.0)
        writer.close()
        return Folder(tmp_path)

    return write
