"""A story holds what a run was, whatever became of it."""

import dataclasses
import math

import numpy as np
import pytest
from torch import nn

from thalweg.core import Outcome, RunError
from thalweg.data import ArrayFile, Digits, Text
from thalweg.model import Built, mlp, transformer
from thalweg.report import tell
from thalweg.report.phrases import phrase
from thalweg.report.verdict import compared, interval, verdict
from thalweg.train import Folder, Recipe, read_recipe, start

from .conftest import train


def test_classification(digits):
    story = tell(digits)
    assert (story.outcome, story.task, story.kind) == (Outcome.FINISHED, "classification", "image")
    assert story.sizes == {"train": 1347, "validation": 180, "test": 270}
    assert list(story.scores) == ["test", "validation", "train"]
    confusion = story.judged.confusion
    assert confusion.counts.sum() == 270 and confusion.split == "test"
    assert np.trace(confusion.counts) / 270 == pytest.approx(story.scores["test"]["accuracy"])
    assert story.judged.worst and all(e.picture.startswith(b"\x89PNG") for e in story.judged.worst)
    assert all(e.truth != e.predicted for e in story.judged.worst)
    losses = [example.loss for example in story.judged.worst]
    assert losses == sorted(losses, reverse=True)
    assert story.layers and story.findings is not None and not story.gaps
    assert phrase(verdict(story), "en").endswith("right on 270 images it had never seen")
    assert "270" in phrase(verdict(story), "zh") and "图像" in phrase(verdict(story), "zh")
    assert "commonest class" in phrase(compared(story), "en")


def test_worst_example_is_that_row_of_the_source(digits):
    story = tell(digits)
    dataset = digits.recipe().data.load()
    for example in story.judged.worst:
        assert dataset.class_names[dataset.targets[example.row]] == example.truth


def test_regression(diabetes):
    story = tell(diabetes)
    (residuals,) = story.judged.residuals
    assert residuals.target == "progression" and len(residuals.truth) == 66
    mae = np.abs(residuals.truth - residuals.predicted).mean()
    assert mae == pytest.approx(story.scores["test"]["mae"], rel=1e-4)
    assert story.judged.confusion is None and len(story.judged.worst[0].features) == 6
    assert "progression" in phrase(verdict(story), "en")


def test_diverged(diverged):
    story = tell(diverged)
    assert story.outcome is Outcome.DIVERGED and story.curves.lost_at is not None
    assert any(finding.severity == "critical" for finding in story.findings)
    assert "no longer a number" in phrase(verdict(story), "en")
    assert np.isfinite(story.curves.loss.finite).all()


def test_interrupted(interrupted):
    story = tell(interrupted)
    assert story.outcome is Outcome.INTERRUPTED and not story.final
    assert story.num_steps == 60 and story.planned_steps == 258
    assert "test" not in story.scores
    assert phrase(verdict(story), "en").startswith("Interrupted at step 60 of 258; validation accuracy so far")


def test_under_way_without_a_checkpoint(written):
    story = tell(written(np.linspace(2, 1, 50)))
    assert story.outcome is Outcome.RUNNING and story.scores == {}
    assert [gap.key for gap in story.gaps] == ["report.gap_checkpoint"]


def test_nothing_recorded_yet(written):
    story = tell(written(np.empty(0)))
    assert story.num_steps == 0 and math.isnan(story.curves.loss.last) and story.planned_steps is None


def test_no_run(tmp_path):
    with pytest.raises(RunError, match="no run"):
        tell(Folder(tmp_path))


def test_data_gone_or_changed(tmp_path, evil):
    for name in ("recipe.toml", "trace.sqlite", "preparation.safetensors"):
        (tmp_path / name).write_bytes((evil.path / name).read_bytes())
    story = tell(Folder(tmp_path))
    assert [gap.key for gap in story.gaps] == ["report.gap_data"] and story.judged.confusion is None
    assert story.sizes == {} and story.task == "classification" and len(story.data) == 1
    np.savez(tmp_path / "data.npz", X=np.zeros((4, 3)), y=np.arange(4))
    assert [gap.key for gap in tell(Folder(tmp_path)).gaps] == ["report.gap_changed"]


def test_model_from_python(tmp_path):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    folder = train(tmp_path, Digits(), model=Built(module=module), epochs=1)
    assert [gap.key for gap in tell(folder).gaps] == ["report.gap_built"]
    assert tell(folder, model=Built(module=module)).judged.confusion is not None


def test_language(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("the quick brown fox. 山重水复疑无路。\n" * 60, encoding="utf-8")
    folder = train(
        tmp_path, Text(paths=(str(path),), window=16), model=transformer(width=16, depth=1, heads=2), epochs=1
    )
    story = tell(folder)
    assert story.task == "language" and story.judged.confusion is None
    assert "bits per character" in phrase(verdict(story), "en")
    assert len(story.judged.worst[0].text) == 16


@pytest.mark.parametrize(("validation", "test"), [(0.0, 0.2), (0.2, 0.0), (0.0, 0.0)])
def test_without_a_part(tmp_path, evil, validation, test):
    recipe = read_recipe(evil.recipe_file)
    split = dataclasses.replace(recipe.split, validation=validation, test=test)
    assert isinstance(recipe.data, ArrayFile)
    session = start(Recipe(data=recipe.data, split=split, model=mlp(4), epochs=2, threads=1), out=tmp_path)
    for _ in session:
        pass
    story = tell(session.folder)
    assert story.final and phrase(verdict(story), "en") and not story.gaps
    assert (story.judged.confusion is None) == (validation == test == 0)


def test_a_recipe_of_a_network_that_is_gone(tmp_path, evil):
    for name in ("recipe.toml", "trace.sqlite", "preparation.safetensors", "data.npz"):
        (tmp_path / name).write_bytes((evil.path / name).read_bytes())
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.safetensors").write_bytes(b"not a checkpoint")
    assert [gap.key for gap in tell(Folder(tmp_path)).gaps] == ["report.gap_model"]


def test_interval_is_wilsons():
    low, high = interval(0.9, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert 0.7 < interval(1.0, 10)[0] and interval(1.0, 10)[1] == pytest.approx(1)
