"""A recipe as a value and as a file."""

import dataclasses
import tomllib
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

import thalweg as tw
from thalweg.core import RunError, UnknownName, UsageError
from thalweg.data import Spiral, Split, Standardise
from thalweg.model import Built, CrossEntropy
from thalweg.rules import RULES, SGD
from thalweg.schedules import InverseTime
from thalweg.train import EarlyStopping, Recipe, Transfer, read_recipe, recipe_from_plain, recipe_to_plain, replace
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


EVERYTHING = Recipe(
    data=Spiral(noise=0.2), scaler="none", model="mlp(hidden=[8, 8], norm=group(num_groups=2), dropout=0.1)",
    init="orthogonal(gain=2)", transfer=Transfer(source="runs/a-1", head="new", restart=("linear1", "*.bias")),
    freeze=("linear1", "linear2.bias"), loss="cross-entropy(label_smoothing=0.1)",
    rule="sgd(lr=0.2, momentum=0.9)+clip-norm(clip_norm=2)+ema(average_decay=0.9)",
    schedule="sequence(parts=[warmup(length=0.2), product(parts=[cosine, by-hand(points=[[0, 1], [0.5, 0.5]])])])",
    schedules={"momentum": "linear(end=0.5)", "l1_strength": "plateau(metric=accuracy, better=higher)"},
    decay_on="all", layer_decay=0.5, unfreeze_every=2,
    penalties=("l1(strength=2, step=proximal)", "l2(strength=0.1, scaling=plain)"),
    constraint="max-norm(max_norm=2)", augment=("mixup(alpha=1)", "input-noise(std=0.5)", "input-noise(std=0.1)"),
    statistics="precise", stop=EarlyStopping(metric="accuracy", patience=7, min_delta=0.01), epochs=3, batch_size=20,
    windows=2, evaluate_every=2, max_seconds=60.0, seed=5, device="cpu", precision="float32", threads=1,
)  # fmt: skip


def test_every_field_of_a_recipe_is_written_and_read_again(tmp_path: Path) -> None:
    usual = Recipe(data=Spiral())
    alike = [name for name in Recipe.__dataclass_fields__ if getattr(EVERYTHING, name) == getattr(usual, name)]
    assert alike == ["split", "compile"], "this recipe must set every field, to something else than usual"
    (tmp_path / "r.toml").write_text(write_recipe(EVERYTHING, {}))
    again = read_recipe(tmp_path / "r.toml")
    for name in Recipe.__dataclass_fields__:
        assert getattr(again, name) == getattr(EVERYTHING, name), name
    assert again == EVERYTHING


TABLES = """
freeze = ["linear1"]
rule = "sgd(lr=0.1, momentum=0.9)+ema"
schedule = "plateau"
init = "he"
[data]
kind = "spiral"
[model]
kind = "mlp"
hidden = [8, 8]
norm = "group(num_groups=2)"
[[penalties]]
kind = "l1"
strength = 2.0
[[penalties]]
kind = "l2"
[[augment]]
kind = "mixup"
[schedules]
l1_strength = "cosine"
[schedules.momentum]
kind = "linear"
end = 0.5
[constraint]
kind = "max-norm"
[transfer]
source = "a.safetensors"
"""


def test_components_may_be_tables_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(TABLES)
    recipe = read_recipe(tmp_path / "r.toml")
    assert [penalty.name for penalty in recipe.penalties] == ["l1", "l2"] and recipe.penalties[0].strength == 2
    assert recipe.rule.name == "ema" and recipe.rule.lr == 0.1 and recipe.model.norm.num_groups == 2  # type: ignore[union-attr]
    assert recipe.schedules["l1_strength"].name == "cosine" and recipe.schedules["momentum"].name == "linear"
    assert recipe.augment[0].name == "mixup" and recipe.freeze == ("linear1",)
    assert recipe.transfer == Transfer(source="a.safetensors") and recipe.constraint.name == "max-norm"  # type: ignore[union-attr]


WRONG = [
    ("[[penalties]]\nkind = 'l3'", "Unknown recipe.penalties 'l3': did you mean 'l"),
    ("[[penalties]]\nstrength = 1", r"names no kind"),
    ("[[penalties]]\nkind = 'l2'\nstrenght = 1", "did you mean 'strength'"),
    ("penalties = 3", "must be a Penalty or the name of one, got 3"),
    ("penalties = 'l1'\n[rule]\nkind = 'sgd'\n[[augment]]\nkind = 'flop'", "did you mean 'flip'"),
    ("[schedules]\nlr = 'cosine'", "give the rate's as schedule="),
    ("[schedules]\nbeta3 = 'cosine'", "Unknown hyperparameter to schedule 'beta3': did you mean 'beta"),
    ("[schedules.beta1]\nkind = 'linaer'", "did you mean 'linear'"),
    ("schedules = 'linear'", "must be a table of names and values"),
    ("[rule]\nkind = 'ema'", "needs rule. Write it around another"),
    ("[rule]\nkind = 'ema'\n[rule.rule]\nkind = 'adam'\nlr = -1", r"Adam\(lr=...\)` must lie in \(0, inf\), got -1"),
    ("[rule]\nkind = 'ema'\n[rule.rule]\nlr = 1", "names no kind"),
    ("[model]\nkind = 'mlp'\n[model.norm]\nkind = 'bacth'", "did you mean 'batch'"),
    ("[transfer]\nsorce = 'x'", "did you mean 'source'"),
    ("[transfer]\nhead = 'new'", "needs source"),
    ("[transfer]\nsource = 'x'\nhead = 'fresh'", "Unknown value of .*head.* 'fresh'"),
    ("freeze = 3", "must be text, got 3"),
    ("freeze = [3]", "must be text, got 3"),
    ("decay_on = 'matrices'", "Unknown value of"),
    ("statistics = 3", "Unknown value of"),
    ("layer_decay = 2", r"must lie in \(0, 1\], got 2"),
    ("unfreeze_every = 1.5", "must be a whole number, got 1.5"),
    ("constraint = 'l2'", "Unknown constraint 'l2'"),
    ("[init]\nkind = 'he'\ngian = 1", "Unknown key in"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_mistakes_in_the_catalogues_parts_get_one_sentence(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(f"{text}\n[data]\nkind = 'iris'\n")
    with pytest.raises(UsageError, match=sentence) as caught:
        read_recipe(tmp_path / "r.toml")
    assert str(tmp_path / "r.toml") in str(caught.value) and "\n" not in str(caught.value)


def test_none_is_a_scaler_where_there_is_one_of_that_name() -> None:
    plain = {"data": "spiral", "scaler": "none", "stop": "none", "init": "none", "constraint": "none"}
    recipe = recipe_from_plain(plain)
    assert recipe.scaler is not None and recipe.scaler.name == "none"
    assert recipe.stop is recipe.init is recipe.constraint is None


def test_replace_goes_through_rules_around_rules_and_takes_what_fits_in_the_end() -> None:
    changes = {
        "rule.lr": 0.5, "rule.clip_norm": 3.0, "rule.rule.rule.momentum": 0.8, "schedules.momentum": "cosine",
        "model.norm.num_groups": 4, "schedule": "cosine", "schedule.floor": 0.1, "init": None,
    }  # fmt: skip
    changed = replace(EVERYTHING, changes)
    assert changed.hyper()["lr"] == 0.5 == changed.rule.lr and changed.hyper()["clip_norm"] == 3
    assert changed.hyper()["momentum"] == 0.8 and changed.schedules["momentum"].name == "cosine"
    assert changed.schedules["l1_strength"] == EVERYTHING.schedules["l1_strength"]
    assert changed.model.norm.num_groups == 4 and changed.schedule.floor == 0.1 and changed.init is None  # type: ignore[union-attr]
    decayed = Recipe(data=Spiral(), rule="adamw(weight_decay=0.1)")
    assert replace(decayed, {"penalties": ("l2",), "rule.weight_decay": 0.0}).penalties[0].name == "l2"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"modle.hidden": (3,)}, "Unknown field of a recipe 'modle.hidden'"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"model.hidden": (3,)}, "`model.hidden` reaches into a part that is not chosen yet"),
        ({"penalties.strength": 1.0}, "`penalties.strength` reaches into a part"),
        ({"seed.x": 1}, "`seed.x` reaches into a part"),
        ({"rule.rl": 1.0}, "Unknown field of adamw 'rl'"),
        ({"rule.lr.x": 1.0}, "Unknown field of adamw 'lr.x'"),
        ({"rule.lr": -1.0}, r"must lie in \(0, inf\), got -1"),
        ({"rule": "sdg"}, "did you mean 'sgd'"),
    ],
)
def test_replace_refuses_in_a_sentence(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        replace(Recipe(data=Spiral(), rule="adamw"), changes)
    assert "\n" not in str(caught.value)


def test_a_path_or_a_text_is_a_transfer() -> None:
    wanted = Transfer(source="runs/a-1")
    assert Recipe(data=Spiral(), transfer="runs/a-1").transfer == wanted  # type: ignore[arg-type]
    assert Recipe(data=Spiral(), transfer=Path("runs/a-1")).transfer == wanted  # type: ignore[arg-type]
    assert recipe_from_plain({"data": "spiral", "transfer": "runs/a-1"}).transfer == wanted


RULES_NAMED = st.sampled_from([name for name in RULES if name not in ("newton", "saddle-free-newton")])


@hypothesis.given(
    names=st.lists(RULES_NAMED, min_size=1, max_size=4), lr=st.floats(1e-6, 1e3), seed=st.integers(0, 2**63 - 1)
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_any_rule_around_any_is_written_and_read_again_or_refused(names: list[str], lr: float, seed: int) -> None:
    text = "+".join([f"{names[0]}(lr={lr!r})", *names[1:]])
    try:
        recipe = Recipe(data=Spiral(), rule=text, seed=seed)  # type: ignore[arg-type]
    except UsageError as error:
        assert "\n" not in str(error)
        return
    plain = tomllib.loads(write_recipe(recipe, {}))
    assert recipe_from_plain(plain) == recipe and recipe.hyper()["lr"] == lr
