import os
import shutil
import time
from pathlib import Path

import pytest

import thalweg
from thalweg.core import RunError, StorageError, UnknownName
from thalweg.data import Digits
from thalweg.runs.comparison import compare_runs, settings_of
from thalweg.runs.store import find_run, list_runs, remove_run, restore_run, sort_runs
from thalweg.train import Recipe


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("made") / "runs"
    for seed in (0, 1):
        thalweg.train("iris", epochs=4, seed=seed, threads=1, out=where)
    return where


@pytest.fixture
def where(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


def test_a_folder_that_is_not_there_has_no_runs(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "none") == []


def test_what_a_summary_holds(where: Path) -> None:
    run = next(run for run in list_runs(where) if run.name == "iris-1")
    assert (run.source, run.metric, run.outcome, run.seed) == ("iris", "accuracy", "finished", 0)
    assert 0 <= (run.test or -1) <= 1 and run.seconds


@pytest.mark.parametrize("damage", ["no recipe", "bad recipe", "no trace", "bad trace", "cut trace"])
def test_damaged_folders_are_listed_as_such(where: Path, damage: str) -> None:
    run = where / "iris-1"
    if damage.endswith("recipe"):
        (run / "recipe.toml").write_text("= =") if damage == "bad recipe" else (run / "recipe.toml").unlink()
    elif damage == "no trace":
        (run / "trace.sqlite").unlink()
    else:
        whole = (run / "trace.sqlite").read_bytes()
        (run / "trace.sqlite").write_bytes(b"x" * 5000 if damage == "bad trace" else whole[: len(whole) // 3])
    found = {run.name: run for run in list_runs(where)}
    assert found["iris-1"].outcome == "damaged" and found["iris-1"].reason
    assert found["iris-2"].outcome == "finished"


def test_names_starts_of_names_and_latest(where: Path) -> None:
    (where / "wine-1").mkdir()
    shutil.copy(where / "iris-1" / "recipe.toml", where / "wine-1")
    os.utime(where / "wine-1" / "recipe.toml", (1, 1))
    assert find_run(where, "wi").name == "wine-1"
    assert find_run(where, "iris-2").name == "iris-2"
    assert find_run(where, str(where / "iris-1")) == where / "iris-1"
    assert find_run(where, "latest").name == "iris-2"
    with pytest.raises(RunError, match="begins the names of 2 runs"):
        find_run(where, "iris")
    with pytest.raises(UnknownName, match="did you mean 'iris-"):
        find_run(where, "isir-1")


def test_the_index_changes_nothing_but_the_time(where: Path) -> None:
    for number in range(3, 1003):
        (where / f"iris-{number}").mkdir()
        for name in ("recipe.toml", "trace.sqlite"):
            os.link(where / "iris-1" / name, where / f"iris-{number}" / name)
    first = list_runs(where)
    begin = time.perf_counter()
    second = list_runs(where)
    assert time.perf_counter() - begin < 1.0
    assert second == first and len(first) == 1002
    (where / ".index.json").write_text("{")
    assert list_runs(where) == first


def test_sorting(where: Path) -> None:
    runs = list_runs(where)
    assert [run.name for run in sort_runs(runs, "name")] == ["iris-1", "iris-2"]
    assert [run.name for run in sort_runs(runs, "-name")] == ["iris-2", "iris-1"]
    tests = [run.test or 0 for run in sort_runs(runs, "test")]
    assert tests == sorted(tests, reverse=True)
    with pytest.raises(UnknownName, match="did you mean 'test'"):
        sort_runs(runs, "tests")


def test_removing_and_restoring(where: Path) -> None:
    place = remove_run(where / "iris-1")
    assert place == where / ".trash" / "iris-1" and len(list_runs(where)) == 1
    assert restore_run(where, "iris-1") == where / "iris-1"
    remove_run(where / "iris-1")
    shutil.copytree(where / "iris-2", where / "iris-1")
    with pytest.raises(StorageError, match="exists"):
        restore_run(where, "iris-1")
    assert remove_run(where / "iris-1") == where / ".trash" / "iris-1~2"
    assert remove_run(where / "iris-2", force=True) is None and not list_runs(where)


def test_a_run_being_trained_is_not_removed(where: Path) -> None:
    from thalweg.train import Folder

    lock = Folder(where / "iris-1").lock()
    with pytest.raises(RunError, match="being trained"):
        remove_run(where / "iris-1")
    lock.close()


def test_comparing_runs_that_differ_by_their_seed(where: Path) -> None:
    found = compare_runs([where / "iris-1", where / "iris-2"])
    assert found.differences == {"seed": (0, 1)} and found.verdicts == ()
    assert ("test", "accuracy") in found.scores


def test_settings_have_the_kind_under_the_component_and_texts_for_what_it_holds() -> None:
    recipe = Recipe(
        data=Digits(), rule="sgd(lr=0.2)+clip-norm", model="mlp(norm=group)", penalties=["l1"],  # type: ignore[arg-type]
        schedules={"clip_norm": "linear"},  # type: ignore[dict-item]
    )  # fmt: skip
    found = settings_of(recipe)
    wanted = {
        "data": "digits", "rule": "sgd(lr=0.2)+clip-norm", "model": "mlp", "model.norm": "group",
        "model.hidden": "64, 64", "penalties": "l1", "schedules.clip_norm": "linear", "seed": 0,
    }  # fmt: skip
    assert {key: found[key] for key in wanted} == wanted


def test_comparing_settings_tried_with_several_seeds(where: Path) -> None:
    for seed in (0, 1):
        thalweg.train("iris", rule=thalweg.rules.SGD(lr=1e-6), epochs=4, seed=seed, stop=False, threads=1, out=where)
    names = [where / f"iris-{number}" for number in (1, 2, 3, 4)]
    found = compare_runs(names)
    keys = [verdict.key for verdict in found.verdicts]
    assert keys[0] == "cli.several_seeds" and keys[1] in ("cli.better_by", "cli.cannot_judge")
    assert all(str(verdict) for verdict in found.verdicts)
    single = compare_runs([names[0], names[2]])
    assert single.verdicts[0].key in ("cli.better_by", "cli.within_noise")
