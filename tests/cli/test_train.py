import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

FACTORY = """
import torch
class Net(torch.nn.Sequential):
    def __init__(self, input_shape, num_outputs):
        super().__init__(torch.nn.Linear(input_shape[0], 8), torch.nn.Tanh(), torch.nn.Linear(8, num_outputs))
def wrong(num_outputs):
    return torch.nn.Linear(4, 7)
"""


def write_csv(path: Path, rows: int = 60) -> None:
    draw = np.random.default_rng(0)
    size, rooms = draw.uniform(20, 200, rows), draw.integers(1, 6, rows)
    town = draw.choice(["north", "south"], rows)
    price = 3.0 * size + 20 * rooms + np.where(town == "north", 50, 0) + draw.normal(0, 5, rows)
    pl.DataFrame({"size": size, "rooms": rooms, "town": town, "price": price}).write_csv(path)


def test_iris_end_to_end(call: Any, folder: Path) -> None:
    result = call("train", "iris", "--epochs", "8", "--threads", "1")
    assert result.exit_code == 0, result.stderr
    run = folder / "runs" / "iris-1"
    for name in (
        "recipe.toml",
        "trace.sqlite",
        "report.html",
        "preparation.safetensors",
        "checkpoints/last.safetensors",
    ):
        assert (run / name).is_file(), name
    assert "iris" in result.stderr and "iris-1" in result.stdout
    assert "epoch 8/8" in result.stderr


def test_output_without_a_terminal_is_plain(call: Any) -> None:
    result = call("train", "iris", "--epochs", "4", "--threads", "1", "--no-report")
    assert "\x1b" not in result.output and "\r" not in result.output


def test_json_is_one_record_of_schema_1(call: Any, folder: Path) -> None:
    result = call("train", "iris", "--epochs", "6", "--threads", "1", "--no-report", "--json")
    record = json.loads(result.stdout)
    assert record["schema"] == 1 and record["kind"] == "run"
    assert set(record) == {
        "schema", "kind", "name", "path", "outcome", "source", "model", "seed", "steps", "seconds", "scores",
        "findings", "said", "recipe",
    }  # fmt: skip
    assert record["name"] == "iris-1" and record["source"] == "iris" and record["recipe"]["epochs"] == 6
    assert set(record["scores"]) == {"train", "validation", "test"}
    call("train", "iris", "--epochs", "2", "--threads", "1", "--no-report", "--json", "out.json")
    assert json.loads((folder / "out.json").read_text())["name"] == "iris-2"


def test_quiet_says_nothing_but_where_the_run_lies(call: Any) -> None:
    result = call("train", "iris", "--epochs", "2", "--threads", "1", "--quiet", "--no-report")
    assert result.stdout == "runs/iris-1\n" and result.stderr == ""


def test_a_table_with_its_target_and_settings(call: Any, folder: Path) -> None:
    write_csv(folder / "prices.csv")
    result = call(
        "train", "prices.csv", "--target", "price", "--hidden", "8,4", "--rule", "sgd", "--lr", "0.01",
        "--set", "rule.momentum=0.9", "--set", "stop=none", "--set", "split.test=0.2", "--epochs", "3",
        "--threads", "1", "--no-report", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    recipe = json.loads(result.stdout)["recipe"]
    assert recipe["model"]["hidden"] == [8, 4] and recipe["rule"]["momentum"] == 0.9 and recipe["stop"] == "none"
    assert recipe["split"]["test"] == 0.2 and recipe["data"]["target"] == "price"


def test_a_module_of_the_working_folder(call: Any, folder: Path) -> None:
    (folder / "own_net_a.py").write_text(FACTORY)
    result = call(
        "train",
        "iris",
        "--model",
        "own_net_a:Net",
        "--epochs",
        "2",
        "--threads",
        "1",
        "--quiet",
        "--no-report",
    )
    assert result.exit_code == 0, result.stderr


def test_print_recipe_is_resolved_and_trains_nothing(call: Any, folder: Path) -> None:
    printed = call("train", "iris", "--print-recipe", "--threads", "1").stdout
    assert 'kind = "standardise"' in printed and not (folder / "runs").exists()
    (folder / "mine.toml").write_text(printed)
    result = call("train", "mine.toml", "--epochs", "2", "--no-report", "--json")
    assert json.loads(result.stdout)["recipe"]["epochs"] == 2


def test_divergence_is_exit_4(call: Any) -> None:
    result = call(
        "train",
        "diabetes",
        "--rule",
        "sgd",
        "--lr",
        "1e6",
        "--schedule",
        "constant",
        "--threads",
        "1",
        "--no-report",
    )
    assert result.exit_code == 4
    assert "Traceback" not in result.output


def test_out_of_time_is_exit_5(call: Any) -> None:
    args = ("--epochs", "100000", "--max-seconds", "0.3", "--set", "stop.patience=100000", "--threads", "1")
    assert call("train", "iris", *args, "--quiet", "--no-report").exit_code == 5


def test_findings_are_exit_3_if_asked_for(call: Any) -> None:
    sets = ("--set", "stop=none", "--set", "evaluate_every=1", "--schedule", "constant", "--lr", "1e-4")
    args = ("train", "iris", *sets, "--epochs", "20", "--threads", "1", "--quiet", "--no-report")
    assert call(*args).exit_code == 0
    assert call(*args, "--fail-on", "note").exit_code == 3


def test_chinese(call: Any) -> None:
    result = call("train", "iris", "--epochs", "2", "--threads", "1", "--lang", "zh", "--no-report")
    assert "训练" in result.stderr and result.exit_code == 0


BAD = [
    (("nothing.csv",), "nothing.csv"),
    (("irs",), "iris"),
    (("empty.csv",), "empty.csv"),
    (("ragged.csv",), "row"),
    (("prices.csv", "--target", "prize"), "did you mean 'price'?"),
    (("missing.csv", "--target", "y"), "missing.csv"),
    (("nan.npz",), "nan.npz"),
    (("iris", "--model", "own_net_b:wrong"), "7"),
    (("iris", "--model", "own_net_b:Nat"), "Net"),
    (("iris", "--model", "no_such_module:Net"), "no_such_module"),
    (("old.toml",), "schema"),
    (("typo.toml",), "did you mean 'epochs'?"),
    (("broken.toml",), "broken.toml"),
    (("iris", "--epochs", "0"), "epochs"),
    (("iris", "--epochs", "many"), "whole number"),
    (("iris", "--lr", "-1"), "lr"),
    (("iris", "--rule", "sdg"), "did you mean 'sgd'?"),
    (("iris", "--model", "mpl"), "did you mean 'mlp'?"),
    (("iris", "--device", "cudda"), "cudda"),
    (("iris", "--set", "rule.lrr=1"), "did you mean 'rule.lr'?"),
    (("iris", "--set", "ruel=sgd"), "did you mean 'rule'?"),
    (("iris", "--set", "rule.momentum=0.9"), "sgd"),
    (("iris", "--set", "epochs"), "PATH=VALUE"),
    (("iris", "--set", "split.test=1.5"), "split.test"[-4:]),
    (("iris", "--set", "loss.label_smoothing=0.1"), "--loss"),
    (("iris", "--target", "x"), "own target"),
    (("iris", "--resume", "latest"), "--resume"),
    (("--resume", "nothing"), "nothing"),
    (("iris", "--fail-on", "warn"), "did you mean 'warning'?"),
    ((), "needs data"),
]


@pytest.mark.parametrize("args, word", BAD, ids=[" ".join(args) or "nothing" for args, _ in BAD])
def test_bad_input_is_one_sentence_and_exit_2(fails: Any, folder: Path, args: tuple[str, ...], word: str) -> None:
    write_csv(folder / "prices.csv")
    (folder / "empty.csv").write_text("")
    (folder / "ragged.csv").write_text("a,b\n1,2\n3\n4,5,6\n")
    (folder / "missing.csv").write_text("x,y\n" + "".join(f"{k},\n" for k in range(9)))
    np.savez(folder / "nan.npz", X=np.array([[1.0, np.nan]] * 20), y=np.arange(20) % 2)
    (folder / "old.toml").write_text('schema = 99\n[data]\nkind = "iris"\n')
    (folder / "typo.toml").write_text('epoch = 3\n[data]\nkind = "iris"\n')
    (folder / "broken.toml").write_text("epochs = = 3")
    (folder / "own_net_b.py").write_text(FACTORY)
    assert word in fails("train", *args)
    assert not (folder / "runs").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission(fails: Any, folder: Path) -> None:
    (folder / "locked").mkdir(mode=0o500)
    assert "permission" in fails("train", "iris", "--out", "locked/runs")


def test_out_is_a_file(fails: Any, folder: Path) -> None:
    (folder / "taken").write_text("")
    assert "taken" in fails("train", "iris", "--out", "taken")


def test_a_damaged_checkpoint_is_said(call: Any, fails: Any, folder: Path) -> None:
    call("train", "iris", "--epochs", "2", "--threads", "1", "--quiet", "--no-report")
    (folder / "runs/iris-1/checkpoints/last.safetensors").write_bytes(b"no checkpoint")
    assert "damaged" in fails("predict", "latest", "iris")


def test_a_batch_larger_than_the_data_is_said(call: Any) -> None:
    result = call("train", "iris", "--batch-size", "1000", "--epochs", "2", "--threads", "1", "--no-report")
    assert result.exit_code == 0 and "full batch" in result.stderr
