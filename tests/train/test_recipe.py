"""A recipe as a value and as a file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import thalweg as tw
from thalweg.core import RunError, UnknownName, UsageError
from thalweg.data import Spiral, Split, Standardise
from thalweg.model import Built, CrossEntropy
from thalweg.rules import SGD
from thalweg.schedules import InverseTime
from thalweg.train import EarlyStopping, Recipe, read_recipe, recipe_from_plain, recipe_to_plain, replace
from thalweg.train.recipe_file import MadeInPython, write_recipe

FULL = Recipe(
    data=Spiral(noise=0.2), split=Split(test=0.3), scaler=Standardise(), model=tw.mlp(5, 4, dropout=0.1),
    loss=CrossEntropy(label_smoothing=0.1), rule=SGD(lr=0.2, momentum=0.9), schedule=InverseTime(decay=0.5),
    stop=EarlyStopping(metric="accuracy", patience=7), epochs=3, batch_size=20, windows=2, evaluate_every=2,
    max_seconds=60.0, seed=5, device="cpu", threads=1,
)  # fmt: skip


@pytest.mark.parametrize("recipe", [FULL, Recipe(data=Spiral()), dataclasses.replace(FULL, stop=None)])
def test_written_and_read_again(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(write_recipe(recipe, {"thalweg": "0"}))
    assert recipe_to_plain(read_recipe(tmp_path / "recipe.toml")) == recipe_to_plain(recipe)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("epoch = 3\n[data]\nkind='digits'", "Unknown key in the recipe 'epoch': did you mean 'epochs'?"),
        ("[data]\nkind='digitz'", "Unknown data 'digitz': did you mean 'digits'?"),
        ("[data]\nkind='digits'\n[rule]\nkind='adam'\nbeta=0.9", "did you mean 'beta2'|did you mean 'beta1'"),
        ("[data]\nkind='digits'\n[rule]\nlr=0.1", r"\[rule\] names no kind"),
        ("epochs = 2.5\n[data]\nkind='digits'", "recipe.epochs` must be a whole number, got 2.5"),
        ("epochs = 0\n[data]\nkind='digits'", r"Recipe\(epochs=...\)` must lie in \[1, inf\), got 0"),
        ("rule = 3\n[data]\nkind='digits'", r"rule must be a table like \[rule\], got 3"),
        ("epochs = 3", r"The recipe has no \[data\]"),
    ],
)
def test_mistakes_get_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UsageError, match=sentence) as caught:
        read_recipe(tmp_path / "r.toml")
    assert str(tmp_path / "r.toml") in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "sentence"), [("a = = 1", "is no recipe"), ("schema = 9", "has recipe schema 9")])
def test_files_that_are_no_recipe(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(RunError, match=sentence):
        read_recipe(tmp_path / "r.toml")
    with pytest.raises(RunError, match="does not exist"):
        read_recipe(tmp_path / "absent.toml")


def test_paths_may_be_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    (tmp_path / "r.toml").write_text("[data]\nkind='table'\npath='t.csv'\ntarget='y'\n")
    assert read_recipe(tmp_path / "r.toml").data.path == str(tmp_path / "t.csv")  # type: ignore[attr-defined]


def test_a_network_from_python_has_a_stand_in(tmp_path: Path) -> None:
    import torch

    recipe = dataclasses.replace(FULL, model=Built(module=torch.nn.Linear(2, 2)))
    (tmp_path / "r.toml").write_text(write_recipe(recipe, {}))
    model = read_recipe(tmp_path / "r.toml").model
    assert isinstance(model, Built) and isinstance(model.module, MadeInPython)
    with pytest.raises(UsageError, match="give it again"):
        model.module(torch.zeros(1, 2))


def test_replace_reaches_into_components() -> None:
    changed = replace(FULL, {"rule.lr": 0.5, "epochs": 9})
    assert (changed.rule.lr, changed.epochs, FULL.rule.lr) == (0.5, 9, 0.2)


def test_whole_numbers_and_contradictions() -> None:
    with pytest.raises(UsageError, match="must be a whole number"):
        Recipe(data=Spiral(), epochs=2.5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="do not go together"):
        Recipe(data=Spiral(), compile=True, precision="bfloat16")
    with pytest.raises(UnknownName):
        recipe_from_plain({"data": "digits", "model": "mpl"})


def test_arrays_are_saved_with_the_run_and_repeat_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(80, 3)).astype(np.float32), rng.integers(0, 2, 80)
    run = tw.train((X, y), tw.mlp(4), epochs=3, threads=1, device="cpu", out=tmp_path)
    again = tw.train(run.path / "recipe.toml", out=tmp_path)
    one, two = run.model.state_dict(), again.model.state_dict()
    assert all((one[name] == two[name]).all() for name in one)


def test_nothing_is_ignored_beside_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("epochs = 1\n[data]\nkind = 'iris'\n")
    for given in ({"epochs": 5}, {"seed": 1}, {"stop": False}, {"target": "y"}, {"model": tw.mlp(3)}):
        with pytest.raises(UsageError, match=f"{next(iter(given))}=...\\)` cannot be given beside a recipe"):
            tw.train(tmp_path / "r.toml", out=tmp_path / "runs", **given)
    assert not (tmp_path / "runs").exists()
    assert tw.train(tmp_path / "r.toml", out=tmp_path / "runs").recipe.epochs == 1
