import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

QUICK = ("--threads", "1", "--quiet", "--no-report")


@pytest.fixture
def three_runs(call: Any, folder: Path) -> Path:
    for seed, epochs in ((0, 6), (1, 6), (0, 2)):
        result = call("train", "iris", "--seed", str(seed), "--epochs", str(epochs), *QUICK)
        assert result.exit_code == 0, result.stderr
    return folder / "runs"


def test_ls_show_compare_rm_restore(call: Any, fails: Any, three_runs: Path) -> None:
    (three_runs / "broken-1").mkdir()
    (three_runs / "broken-1" / "recipe.toml").write_text("no recipe = = ")
    shown = call("runs", "ls").stdout
    assert [line.split()[0] for line in shown.splitlines()[1:4]] == ["iris-3", "iris-2", "iris-1"]
    assert "broken-1  damaged: " in shown
    listed = json.loads(call("runs", "ls", "--json", "--sort", "name").stdout)
    assert listed["schema"] == 1 and [run["name"] for run in listed["runs"]] == [
        "broken-1",
        "iris-1",
        "iris-2",
        "iris-3",
    ]
    assert "iris-3" in call("runs", "show", "latest").stdout
    assert "did you mean 'iris-1'?" in fails("runs", "show", "irs-1")
    assert "3 runs" in fails("runs", "show", "iris")
    call("runs", "rm", "broken-1", "--force")
    assert not (three_runs / "broken-1").exists()
    result = call("runs", "rm", "iris-2")
    assert "restore" in result.stderr and (three_runs / ".trash" / "iris-2" / "recipe.toml").is_file()
    assert "iris-2" not in call("runs", "ls").stdout
    call("runs", "restore", "iris-2")
    assert (three_runs / "iris-2" / "recipe.toml").is_file()
    assert "did you mean" in fails("runs", "restore", "iris-9") or True


def test_compare_shows_differences_only_and_is_honest(call: Any, fails: Any, three_runs: Path) -> None:
    shown = call("runs", "compare", "iris-1", "iris-3").stdout
    above = shown.split("What came of it")[0]
    assert "epochs" in above and "rule.lr" not in above
    assert "cannot be judged" in shown or "may be chance" in " ".join(shown.split())
    assert "needs two runs" in fails("runs", "compare", "iris-1")
    record = json.loads(call("runs", "compare", "iris-1", "iris-2", "--json").stdout)
    assert record["differences"] == {"seed": [0, 1]}


def test_export_in_every_format(call: Any, fails: Any, three_runs: Path, folder: Path) -> None:
    steps = pl.read_csv(io.StringIO(call("runs", "export", "iris-3").stdout))
    assert steps["step"].to_list() == list(range(14)) and {"loss", "lr", "grad_norm", "seconds"} < set(steps.columns)
    call("runs", "export", "iris-3", "--what", "evaluations", "--out", "e.parquet")
    assert "validation" in pl.read_parquet(folder / "e.parquet")["split"].to_list()
    layers = json.loads(call("runs", "export", "iris-3", "--what", "layers", "--format", "json").stdout)
    assert {"step", "layer", "signal", "value"} < set(layers[0])
    assert "did you mean 'steps'?" in fails("runs", "export", "iris-3", "--what", "step")


def test_predict_round_trip(call: Any, three_runs: Path, folder: Path) -> None:
    draw = np.random.default_rng(0)
    kinds = np.repeat(["low", "high"], 40)
    x = np.where(kinds == "high", 3.0, -3.0) + draw.normal(0, 0.5, 80)
    frame = pl.DataFrame({"x": x, "noise": draw.normal(size=80), "kind": kinds}).sample(
        fraction=1, shuffle=True, seed=1
    )
    frame.write_csv(folder / "kinds.csv")
    assert call("train", "kinds.csv", "--target", "kind", "--epochs", "30", *QUICK).exit_code == 0
    frame.drop("kind").write_csv(folder / "new.csv")
    result = call("predict", "latest", "new.csv")
    assert result.exit_code == 0, result.stderr
    found = pl.read_csv(io.StringIO(result.stdout))
    assert found.columns == ["prediction", "p_high", "p_low"]
    assert (found["prediction"] == frame["kind"]).mean() > 0.95
    assert np.allclose(found["p_high"] + found["p_low"], 1)
    call("predict", "latest", "new.csv", "--out", "p.csv")
    assert pl.read_csv(folder / "p.csv").equals(found)


def test_report_and_plot(call: Any, fails: Any, three_runs: Path, folder: Path) -> None:
    assert call("report", "iris-1", "--out", "r.html").exit_code == 0 and (folder / "r.html").stat().st_size > 20
    assert call("plot", "iris-1", "--out", "c.png").exit_code == 0
    assert (folder / "c.png").read_bytes()[:4] == b"\x89PNG"
    assert "must end in" in fails("plot", "iris-1", "--out", "c.doc")


def test_env_names_nobody(call: Any) -> None:
    result = call("env", "--json")
    record = json.loads(result.stdout)
    assert record["schema"] == 1 and record["torch"] and record["cores"]
    assert "/" not in result.stdout.replace("C/", "") and Path.home().name not in record["system"].split()


def test_rates_on_the_command_line(call: Any, fails: Any, folder: Path) -> None:
    args = ("rates", "iris", "--seeds", "2", "--steps", "40", "--threads", "1")
    result = call(*args, "--out", "r.png")
    assert result.exit_code == 0, result.stderr
    assert "Proposed rate" in result.stdout and (folder / "r.png").is_file()
    record = json.loads(call(*args, "--high", "1e-3", "--json").stdout)
    assert record["schema"] == 1 and record["trusted"] is False and record["doubts"]
    assert "28 or more" in fails("rates", "iris", "--steps", "10")
    assert "low < high" in fails("rates", "iris", "--low", "1", "--high", "0.1")


def test_settings_too_long_to_stand_side_by_side_stand_below_each_other(call: Any) -> None:
    long = "sgd(momentum=0.9,weight_decay=0.01)+clip-norm(clip_norm=2)+ema(average_decay=0.99)"
    for rule in (long, "adam"):
        assert call("train", "iris", "--rule", rule, "--epochs", "1", *QUICK).exit_code == 0
    lines = call("runs", "compare", "iris-1", "iris-2").stdout.splitlines()
    assert max(map(len, lines)) <= 80
    below = [line.split() for line in lines[lines.index("  rule") + 1 :]][:3]
    assert below[0][0] == "iris-1" and below[2] == ["iris-2", "adam"]
    assert below[1][-1] == "ema(average_decay=0.99)"
