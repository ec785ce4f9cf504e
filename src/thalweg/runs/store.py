"""The runs in a folder: listed, found by name, moved to the trash and back, compared.

A listing reads two small files of each run; what it found of runs that have ended is kept in `.index.json`,
so that ten thousand of them are listed by looking at their dates alone. The index may be deleted at any
time.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from thalweg.core import (
    RunError,
    StorageError,
    ThalwegError,
    UnknownName,
    make_folder,
    storage_errors,
    write_atomically,
)
from thalweg.model import metrics_for
from thalweg.train import Folder, describe

TRASH = ".trash"
_INDEX = ".index.json"
_INDEX_SCHEMA = 1
_HIGHER = {
    m.name: m.better == "higher" for task in ("classification", "regression", "language") for m in metrics_for(task)
}
_NOT_OVER = ("running", "killed", "damaged")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Summary:
    """Hold what a listing shows of a run. `outcome` may also be killed, or damaged for a `reason`."""

    name: str
    path: str
    modified: float
    outcome: str
    source: str = ""
    model: str = ""
    rule: str = ""
    metric: str = ""
    validation: float | None = None
    test: float | None = None
    seconds: float | None = None
    seed: int | None = None
    reason: str = ""


SORTS = ("age", "name", "source", "model", "rule", "outcome", "test", "validation", "seconds")


def list_runs(where: Path) -> list[Summary]:
    """Return a summary of every run under `where`, the newest first; damaged ones are said to be damaged."""
    known, found = _read_index(where), []
    for path, modified in _folders(where):
        summary = known.get((path.name, modified))
        found.append(summary or _summarise(path, modified))
    _write_index(where, found, known=known)
    return sorted(found, key=lambda summary: -summary.modified)


def sort_runs(runs: Sequence[Summary], by: str) -> list[Summary]:
    """Sort by a column, the best or newest first, what is missing last; "-" turns the order round."""
    name, backwards = by.removeprefix("-"), by.startswith("-")
    if name not in SORTS:
        raise UnknownName("column to sort by", name, SORTS)
    field = "modified" if name == "age" else name
    having = [run for run in runs if getattr(run, field) not in (None, "")]
    rest = [run for run in runs if getattr(run, field) in (None, "")]
    return sorted(having, key=lambda run: _rank(run, field), reverse=backwards) + rest


def _rank(run: Summary, field: str) -> tuple[str, Any]:
    """Return what sorts the best or newest first; scores of different metrics stay apart."""
    value = getattr(run, field)
    if field in ("test", "validation"):
        return run.metric, -value if _HIGHER.get(run.metric) else value
    return "", -value if field == "modified" else value


def find_run(where: Path, name: str) -> Path:
    """Return the folder of the run that is meant: a path, "latest", a name, or the start of just one name.

    Raises `UnknownName` if there is none, `RunError` if several begin so.
    """
    path = Path(name).expanduser()
    if path.name == "recipe.toml" and path.is_file():
        return path.parent
    if (path / "recipe.toml").is_file():
        return path
    folders = dict(_folders(where))
    names = {folder.name: folder for folder in folders}
    if name == "latest":
        begun = [folder for folder in folders if (folder / "trace.sqlite").is_file()]
        if not begun:
            raise RunError(f"There is no run in {where} yet; `thalweg train digits` makes one.")
        return max(begun, key=lambda folder: (folders[folder], folder.name))
    if name in names:
        return names[name]
    starting = sorted(other for other in names if name and other.startswith(name))
    if len(starting) == 1:
        return names[starting[0]]
    if starting:
        shown = ", ".join(starting[:5]) + (", ..." if len(starting) > 5 else "")
        raise RunError(f"{name!r} begins the names of {len(starting)} runs ({shown}); give more of it.")
    raise UnknownName(f"run in {where}", name, [*names, "latest"])


def remove_run(path: Path, *, force: bool = False) -> Path | None:
    """Move a run to the trash beside it and return its place there; delete it for good if forced."""
    if _is_held(path):
        raise RunError(f"{path} is being trained by another process; stop it first.")
    if force:
        with storage_errors(path):
            shutil.rmtree(path)
        return None
    place = make_folder(path.parent / TRASH) / path.name
    number = 2
    while place.exists():
        place = place.with_name(f"{path.name}~{number}")
        number += 1
    with storage_errors(path):
        path.rename(place)
    return place


def restore_run(where: Path, name: str) -> Path:
    """Bring a run back from the trash. Raises `StorageError` if its place is taken."""
    trash = where / TRASH
    names = sorted(folder.name for folder in trash.iterdir() if folder.is_dir()) if trash.is_dir() else []
    if name not in names:
        raise UnknownName(f"run in {trash}", name, names)
    place = where / name.partition("~")[0]
    if place.exists():
        raise StorageError(f"{place} exists; move it away before {name} is restored.")
    with storage_errors(place):
        (trash / name).rename(place)
    return place


def _folders(where: Path) -> Iterator[tuple[Path, float]]:
    """Give every folder that may be a run, with the time at which it last changed."""
    if not where.is_dir():
        return
    with os.scandir(where) as entries:
        for entry in entries:
            if entry.name.startswith(".") or not entry.is_dir():
                continue
            times = [0.0]  # the folder's own time moves whenever a file comes or goes, also when the trace is read
            for name in ("trace.sqlite", "trace.sqlite-wal", "recipe.toml"):
                with contextlib.suppress(OSError):
                    times.append(os.stat(os.path.join(entry.path, name)).st_mtime)
            modified = max(times) or entry.stat().st_mtime
            yield Path(entry.path), modified


def _summarise(path: Path, modified: float) -> Summary:
    folder = Folder(path)
    place: dict[str, Any] = {"name": path.name, "path": str(path), "modified": modified}
    try:
        recipe = folder.recipe()
        trace = folder.trace()
        try:
            meta, evaluations = trace.meta(), trace.evaluations()
        finally:
            trace.close()
    except (ThalwegError, OSError, ValueError) as error:
        reason = str(error).replace(f"{path}/", "").replace(f"{path} ", "")
        return Summary(**place, outcome="damaged", reason=reason)
    scores = last_scores(evaluations)
    metric = main_metric(scores)
    outcome = meta.get("outcome", "running")
    if outcome == "running" and not _is_held(path):
        outcome = "killed"
    return Summary(
        **place, outcome=outcome, source=_source_name(recipe.data),
        model=describe(recipe.model) if recipe.model else "", rule=recipe.rule.name, metric=metric,
        validation=scores.get("validation", {}).get(metric), test=scores.get("test", {}).get(metric),
        seconds=meta.get("seconds"), seed=recipe.seed,
    )  # fmt: skip


def _source_name(source: Any) -> str:
    """Name a source in a word: the file's name where it is a file, else the name of the set."""
    path = getattr(source, "path", None)
    return Path(path).name if isinstance(path, str) else str(source.name)


def last_scores(evaluations: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return split to metric to value: of the final weights if the run is over, else the last ones."""
    scores: dict[str, dict[str, float]] = {}
    for row in evaluations:
        scores.setdefault(row["split"], {})[row["metric"]] = row["value"]
    if "final-validation" in scores:
        scores["validation"] = scores.pop("final-validation")
    return scores


def main_metric(scores: dict[str, dict[str, float]]) -> str:
    """Return the metric that people ask for first: the task's, which the recorded names give away."""
    recorded = scores.get("test") or scores.get("validation") or {}
    for task in ("regression", "language", "classification"):
        if (name := metrics_for(task)[0].name) in recorded:
            return name
    return "loss" if recorded else ""


def _is_held(path: Path) -> bool:
    """Return whether a process is training the run."""
    try:
        with (path / ".lock").open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read_index(where: Path) -> dict[tuple[str, float], Summary]:
    try:
        kept = json.loads((where / _INDEX).read_text(encoding="utf-8"))
        if kept["schema"] != _INDEX_SCHEMA:
            return {}
        rows = [Summary(**row, path=str(where / row["name"])) for row in kept["runs"]]
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return {(row.name, row.modified): row for row in rows}


def _write_index(where: Path, found: Sequence[Summary], *, known: dict[Any, Summary]) -> None:
    """Keep what was found of runs that have ended; where that cannot be written, do without."""
    over = [run for run in found if run.outcome not in _NOT_OVER]
    if len(over) < 50 or {(run.name, run.modified) for run in over} == set(known):
        return
    rows = [{key: value for key, value in dataclasses.asdict(run).items() if key != "path"} for run in over]
    with contextlib.suppress(StorageError, OSError):
        write_atomically(where / _INDEX, json.dumps({"schema": _INDEX_SCHEMA, "runs": rows}, ensure_ascii=False))
