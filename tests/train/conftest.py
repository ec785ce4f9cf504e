"""What tests of runs share: small recipes, training for some steps, and comparing two runs bit for bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import thalweg as tw
from thalweg.train import Folder, Recipe, Session, checkpoint

COLUMNS = ("step", "epoch", "loss", "lr", "grad_norm")


@pytest.fixture
def make() -> Callable[..., Recipe]:
    """Make a recipe of a small network on iris, with fields changed."""

    def recipe(source: str = "iris", **fields: Any) -> Recipe:
        given: dict[str, Any] = {"data": tw.open_source(source), "model": tw.mlp(8), "epochs": 3, "device": "cpu"}
        given["split"] = tw.data.Split(validation=0.1, test=0.1)  # of iris, six batches alike: one step to record
        return Recipe(**{**given, "threads": 1, "batch_size": 20, "evaluate_every": 1, **fields})

    return recipe


@pytest.fixture
def train() -> Callable[..., Session]:
    """Train a session to its end, or until so many steps are done."""

    def run(session: Session, *, steps: int | None = None) -> Session:
        for snapshot in session:
            if steps is not None and snapshot.rows[-1].step + 1 >= steps:
                break
        return session

    return run


@pytest.fixture
def assert_same() -> Callable[[Path, Path], None]:
    """Compare two runs on disk bit for bit: weights, memory, best, counts, trace, and what they are used with."""

    def compare(left: Path, right: Path) -> None:
        (counts, tensors), (other_counts, others) = (checkpoint.read(Folder(p).last_checkpoint) for p in (left, right))
        for name in ("step", "best", "seen"):
            np.testing.assert_equal(counts[name], other_counts[name])
        assert tensors.keys() == others.keys()
        for name, tensor in tensors.items():
            same = torch.equal(tensor, others[name]) or torch.equal(tensor.isnan(), others[name].isnan())
            assert same and tensor.dtype == others[name].dtype, name
        one, two = Folder(left).trace(), Folder(right).trace()
        for column in COLUMNS:
            np.testing.assert_array_equal(one.steps()[column], two.steps()[column], err_msg=column)
        np.testing.assert_equal(one.evaluations(), two.evaluations())
        np.testing.assert_equal(one.moving(), two.moving())
        assert one.meta()["outcome"] == two.meta()["outcome"]

    return compare
