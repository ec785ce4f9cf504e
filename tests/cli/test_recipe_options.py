"""The options that make a recipe: what each sets, and one sentence for each that cannot be."""

import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

QUICK = ("--epochs", "1", "--threads", "1", "--hidden", "8", "--no-report", "--quiet")


@pytest.fixture
def recipe(call: Any) -> Any:
    """Return the recipe that options make on iris, as plain values."""

    def made(*args: str, source: str = "iris") -> dict[str, Any]:
        result = call("train", source, *args, "--print-recipe")
        assert result.exit_code == 0, result.stderr
        return tomllib.loads(result.stdout)

    return made


def at(plain: dict[str, Any], path: str) -> Any:
    for part in path.split("."):
        plain = plain[int(part)] if isinstance(plain, list) else plain[part]
    return plain


SET: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("--rule", "sgd(lr=0.3, momentum=0.9)"), {"rule.kind": "sgd", "rule.lr": 0.3, "rule.momentum": 0.9}),
    (("--rule", "sgd+ema"), {"rule.kind": "ema", "rule.rule.kind": "sgd"}),
    (("--rule", "sgd+clip-norm+ema", "--lr", "0.3"), {"rule.rule.rule.lr": 0.3}),
    (("--rule", "sgd+clip-norm+ema", "--set", "rule.lr=0.3"), {"rule.rule.rule.lr": 0.3}),
    (("--rule", "sgd+clip-norm+ema", "--set", "rule.clip_norm=2"), {"rule.rule.clip_norm": 2.0}),
    (("--rule", "sgd+clip-norm+ema", "--set", "rule.rule.rule.lr=0.3"), {"rule.rule.rule.lr": 0.3}),
    (("--rule", "sgd+ema", "--set", "rule.rule=adam"), {"rule.rule.kind": "adam"}),
    (("--set", "rule.lr=0.3", "--rule", "adam"), {"rule.kind": "adam", "rule.lr": 0.3}),
    (("--hidden", "8", "--norm", "group", "--set", "model.norm.num_groups=2"), {"model.norm.num_groups": 2}),
    (("--hidden", "8", "--norm", "group(num_groups=4)"), {"model.norm.num_groups": 4}),
    (("--set", "model.norm=layer", "--hidden", "8"), {"model.norm.kind": "layer", "model.hidden": [8]}),
    (("--schedule", "cosine(floor=0.1)"), {"schedule.floor": 0.1}),
    (("--schedule", "sequence(parts=[warmup, cosine])"), {"schedule.parts.1.kind": "cosine"}),
    (("--rule", "sgd(momentum=0.9)", "--set", "schedules.momentum=linear"), {"schedules.momentum.kind": "linear"}),
    (
        ("--set", "schedules.beta1=linear(end=0.9)", "--set", "schedules.weight_decay=cosine"),
        {"schedules.beta1.end": 0.9, "schedules.weight_decay.kind": "cosine"},
    ),
    (
        ("--set", "schedules.momentum=linear", "--rule", "sgd", "--set", "rule.momentum=0.9"),
        {"schedules.momentum.kind": "linear", "rule.momentum": 0.9},
    ),
    (("--penalty", "l1(strength=2)"), {"penalties.0.kind": "l1", "penalties.0.strength": 2.0}),
    (("--penalty", "l1", "--penalty", "l2", "--set", "rule.weight_decay=0"), {"penalties.1.kind": "l2"}),
    (("--penalty", "l2(strength=2)"), {"penalties.0.strength": 2.0, "rule.weight_decay": 0.0}),
    (("--set", "penalties=[l1(step=proximal)]"), {"penalties.0.step": "proximal"}),
    (("--penalty", "l1", "--set", "schedules.l1_strength=cosine"), {"schedules.l1_strength.kind": "cosine"}),
    (("--augment", "mixup(alpha=1)", "--augment", "input-noise"), {"augment.0.alpha": 1.0, "augment.1.std": 0.1}),
    (("--set", "constraint=max-norm(max_norm=2)"), {"constraint.max_norm": 2.0}),
    (("--hidden", "8,8", "--freeze", "linear1", "--freeze", "*.bias"), {"freeze": ["linear1", "*.bias"]}),
    (("--set", "freeze=linear1,linear2"), {"freeze": ["linear1", "linear2"]}),
    (("--layer-decay", "0.5", "--unfreeze-every", "3"), {"layer_decay": 0.5, "unfreeze_every": 3}),
    (("--set", "decay_on=all", "--statistics", "precise"), {"decay_on": "all", "statistics": "precise"}),
    (("--init", "he(mode=fan_out)"), {"init.kind": "he", "init.mode": "fan_out"}),
    (("--init", "orthogonal", "--set", "init.gain=2"), {"init.gain": 2.0}),
    (("--loss", "cross-entropy(label_smoothing=0.1)"), {"loss.label_smoothing": 0.1}),
    (("--scaler", "none"), {"scaler.kind": "none"}),
    (("--set", "stop=none"), {"stop": "none"}),
    (("--set", "stop.patience=3"), {"stop.patience": 3}),
    (("--set", "unfreeze_every=none"), {"layer_decay": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("args", "wanted"), SET, ids=[" ".join(args) for args, _ in SET])
def test_what_an_option_sets(recipe: Any, args: tuple[str, ...], wanted: dict[str, Any]) -> None:
    plain = recipe(*args)
    assert {path: at(plain, path) for path in wanted} == wanted


def test_a_printed_recipe_makes_itself_again(recipe: Any, call: Any, folder: Path) -> None:
    args = (
        "--rule", "sgd(momentum=0.9)+clip-norm+ema", "--set", "schedules.momentum=linear(end=0.5)", "--hidden", "8",
        "--penalty", "l1(strength=2)", "--augment", "mixup", "--freeze", "linear1", "--norm", "batch",
        "--set", "constraint=max-norm", "--scaler", "none", "--statistics", "precise", "--init", "lsuv",
    )  # fmt: skip
    result = call("train", "iris", *args, "--print-recipe")
    (folder / "r.toml").write_text(result.stdout)
    again = call("train", "r.toml", "--print-recipe")
    assert again.stdout == result.stdout
    changed = recipe("--set", "rule.clip_norm=3", "--penalty", "l2", source="r.toml")
    assert at(changed, "rule.rule.clip_norm") == 3.0 and [p["kind"] for p in changed["penalties"]] == ["l2"]


def test_from_a_run_by_name_folder_and_file(recipe: Any, call: Any, folder: Path) -> None:
    assert call("train", "iris", *QUICK).exit_code == 0
    for source in ("latest", "iris-1", "runs/iris-1", "runs/iris-1/checkpoints/last.safetensors"):
        assert Path(recipe("--hidden", "8", "--from", source)["transfer"]["source"]).exists()
    plain = recipe("--hidden", "8", "--from", "latest", "--new-head", "--set", "transfer.restart=[]")
    assert (plain["transfer"]["head"], plain["transfer"]["restart"]) == ("new", [])
    plain = recipe("--hidden", "8", "--from", "latest", "--restart", "output", "--restart", "*.bias")
    assert plain["transfer"]["restart"] == ["output", "*.bias"]
    result = call("train", "iris", *QUICK[:-1], "--from", "latest", "--new-head", "--freeze", "linear1")
    said = " ".join(result.stderr.split())
    assert result.exit_code == 0 and "2 tensors taken over, 2 start afresh (output.weight, output.bias)" in said
    assert Path(tomllib.loads((folder / "runs/iris-2/recipe.toml").read_text())["transfer"]["source"]).is_absolute()


def test_a_run_with_all_of_it_trains_and_goes_on(call: Any, folder: Path) -> None:
    args = (
        "--rule", "sgd(momentum=0.9)+sam+ema", "--set", "schedules.momentum=linear(end=0.5)", "--norm", "batch",
        "--penalty", "l1(step=proximal)", "--augment", "mixup", "--statistics", "precise", "--layer-decay", "0.5",
        "--set", "constraint=max-norm", "--max-seconds", "1e-9",
    )  # fmt: skip
    assert call("train", "iris", *QUICK, "--epochs", "3", *args).exit_code == 5
    result = call("train", "--resume", "latest", "--max-seconds", "60", "--no-report")
    assert result.exit_code == 0 and "step 1" in result.stderr


BAD: list[tuple[tuple[str, ...], str]] = [
    (("--rule", "sgd+"), "needs a name there"),
    (("--rule", "sgd+adam"), "puts 'adam' around another, which it cannot be"),
    (("--rule", "ema"), "NAME+ema"),
    (("--rule", "adam(lr=0.1, lr=0.2)"), "gives a field twice"),
    (("--rule", "sgd(lr=0)"), "`SGD(lr=...)` must lie in (0, inf), got 0.0"),
    (("--rule", "adam(beta1=1)"), "must lie in [0, 1), got 1.0"),
    (("--set", "rule.lr.x=3"), "did you mean 'rule.lr'?"),
    (("--set", "rule.name=3"), "Unknown setting 'rule.name'"),
    (("--set", "model.norm.num_groups=2"), "`model.norm`, which is not chosen yet; choose it first: --norm"),
    (("--hidden", "8", "--norm", "group", "--set", "model.norm.num_group=2"), "Unknown setting 'model.norm.num_group'"),
    (("--hidden", "8", "--norm", "batsch"), "did you mean 'batch'?"),
    (("--set", "init.gain=2"), "`init`, which is not chosen yet; choose it first: --init he"),
    (("--set", "transfer.head=new"), "choose it first: --from RUN"),
    (("--set", "schedules.momentum=linear"), "Unknown hyperparameter to schedule 'momentum'"),
    (("--set", "schedules.bata1=linear"), "did you mean 'beta1'?"),
    (("--set", "schedules.beta1=linaer"), "did you mean 'linear'?"),
    (("--set", "schedules.lr=linear"), "give the rate's as schedule="),
    (("--set", "schedules=linear"), "must be a table of names and values"),
    (("--schedule", "warmup(length=3, unit=epochs)", "--epochs", "2"), "must fit into the run (2 epochs), got 3"),
    (("--schedule", "plateau", "--set", "split.validation=0"), "no validation data; split some off"),
    (("--penalty", "l2", "--rule", "adamw"), "must leave squares to weight_decay=0.1"),
    (("--penalty", "l2", "--set", "rule.weight_decay=0.1"), "must leave squares to weight_decay=0.1"),
    (("--penalty", "l1", "--penalty", "l1"), "must not pull the same way twice"),
    (("--penalty", "l1(strenght=1)"), "did you mean 'strength'?"),
    (("--augment", "flop"), "did you mean 'flip'?"),
    (("--augment", "mixup,"), "needs a name there"),
    (("--set", "constraint=max-norm(max_norm=0)"), "must lie in (0, inf), got 0.0"),
    (("--from", "nothing"), "Unknown run in runs 'nothing'"),
    (("--from", "data.bin"), "is no safetensors file"),
    (("--new-head",), "`--new-head` starts a part of another network's weights afresh; name that network with --from"),
    (("--restart", "linear1"), "`--restart` starts a part of another network's weights afresh"),
    (("--hidden", "8", "--freeze", "linear9"), "did you mean 'linear1'?"),
    (("--hidden", "8", "--freeze", "*"), "leaves nothing that trains"),
    (("--layer-decay", "0"), "must lie in (0, 1], got 0.0"),
    (("--layer-decay", "half"), "`layer_decay` must be a number, got 'half'"),
    (("--unfreeze-every", "0"), "must lie in [1, inf), got 0"),
    (("--unfreeze-every", "x"), "`unfreeze_every` must be a whole number, got 'x'"),
    (("--statistics", "exact"), "Unknown value of statistics 'exact'"),
    (("--set", "decay_on=none"), "Unknown value of decay_on 'none'"),
    (("--set", "freeze=[linear1"), "needs ',' there"),
    (("--set", "penalties.strength=1"), "did you mean 'penalties'?"),
    (("--set", "rule.momentum=0.9"), "`rule.momentum` is no field of adamw; "),
    (("--rule", "muon", "--model", "mlp", "--set", "model.hidden=[]"), "needs a parameter that is a matrix"),
    (("--compile", "--rule", "adamw+sam"), "one gradient a step, got sam"),
    (("--compile", "--hidden", "8", "--freeze", "linear1"), "networks that train as a whole"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "sentence"), BAD, ids=[" ".join(args) for args, _ in BAD])
def test_what_cannot_be_is_one_sentence(fails: Any, folder: Path, args: tuple[str, ...], sentence: str) -> None:
    (folder / "data.bin").write_bytes(os.urandom(64))
    assert sentence in fails("train", "iris", *args)
    assert not (folder / "runs").exists()
