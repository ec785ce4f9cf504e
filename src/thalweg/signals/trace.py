"""What a run wrote down: columns by step and member, in `trace.sqlite` with a journal beside it.

Writing never blocks a reader (WAL); a kill loses at most the step under way. Reading a trace needs nothing of the run
that wrote it, and may go on while it is written.

Tables: steps (every step), evaluations (a metric of a split), layers (sampled signals of a layer), moving (what
hyperparameters with a schedule really were at a step), events (what happened, said in words that can be read in both
languages).
"""

import contextlib
import json
import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thalweg.core import Message, RunError, StorageError, storage_errors
from thalweg.signals.journal import Journal

SCHEMA = 1
STEP_COLUMNS = ("step", "member", "epoch", "loss", "lr", "grad_norm", "seconds")
EVALUATION_COLUMNS = ("step", "member", "epoch", "split", "metric", "value")
LAYER_COLUMNS = ("step", "member", "layer", "signal", "value")
MOVING_COLUMNS = ("step", "member", "name", "value")
SPLITS_ON_THE_WAY = ("train", "validation")  # any other split is looked at once, when the run has ended
_MOMENT = 1.0  # seconds after which the journal's rows move to the database, where readers see them

_TABLES = """
BEGIN;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS steps (step INTEGER, member INTEGER, epoch REAL, loss REAL, lr REAL, grad_norm REAL,
    seconds REAL, PRIMARY KEY (step, member)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS evaluations (step INTEGER, member INTEGER, epoch REAL, split TEXT, metric TEXT, value REAL,
    PRIMARY KEY (step, member, split, metric)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layers (step INTEGER, member INTEGER, layer TEXT, signal TEXT, value REAL,
    PRIMARY KEY (step, member, layer, signal)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moving (step INTEGER, member INTEGER, name TEXT, value REAL,
    PRIMARY KEY (step, member, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, step INTEGER, kind TEXT, message TEXT, data TEXT);
INSERT OR IGNORE INTO meta VALUES ('schema', '{schema}');
COMMIT;
"""


class Trace:
    """Read what a run wrote down; opening a path that holds no trace raises `RunError`."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise RunError(f"{self.path} does not exist; a run folder holds a trace.sqlite.")
        with _reading(self.path):
            self._database = sqlite3.connect(_address(self.path), uri=True, timeout=30)
            weakref.finalize(self, self._database.close)  # a reader that nobody closes leaves nothing open
            _check_schema(self.path, self._database)

    def steps(self, member: int = 0) -> dict[str, NDArray[np.float64]]:
        """Return the per-step columns of one member, each of shape (steps,)."""
        rows = self._rows(f"SELECT {', '.join(STEP_COLUMNS)} FROM steps WHERE member = ? ORDER BY step", member)
        table = np.array(rows, dtype=np.float64).reshape(-1, len(STEP_COLUMNS))  # NULL becomes NaN
        return {name: table[:, k] for k, name in enumerate(STEP_COLUMNS)}

    def evaluations(self, member: int = 0) -> list[dict[str, Any]]:
        """Return the evaluations of one member in the order in which they were made, one dict a metric."""
        query = f"SELECT {', '.join(EVALUATION_COLUMNS)} FROM evaluations WHERE member = ? ORDER BY step, split, metric"
        return [_named(EVALUATION_COLUMNS, row) for row in self._rows(query, member)]

    def series(self, split: str, metric: str, member: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (steps, values) of one metric on one split."""
        found = [
            (r["step"], r["value"]) for r in self.evaluations(member) if (r["split"], r["metric"]) == (split, metric)
        ]
        table = np.array(found, dtype=np.float64).reshape(-1, 2)
        return table[:, 0], table[:, 1]

    def layers(self, member: int = 0) -> list[dict[str, Any]]:
        """Return the sampled signals of layers, one dict a value, in the order of the network's layers."""
        query = f"SELECT {', '.join(LAYER_COLUMNS)} FROM layers WHERE member = ? ORDER BY step"
        rows = [_named(LAYER_COLUMNS, row) for row in self._rows(query, member)]
        rank = {name: k for k, name in enumerate(self.meta().get("layers", []))}
        return sorted(rows, key=lambda row: (row["step"], rank.get(row["layer"], len(rank))))

    def moving(self, member: int = 0) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return (steps, values) of each hyperparameter, beside the rate, that moved with time."""
        if not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'moving'"):
            return {}  # written by a version that moved the rate alone
        found: dict[str, list[tuple[float, float]]] = {}
        for step, name, value in self._rows(
            "SELECT step, name, value FROM moving WHERE member = ? ORDER BY step", member
        ):
            found.setdefault(name, []).append((step, value))
        tables = {name: np.array(rows, dtype=np.float64) for name, rows in found.items()}  # NULL becomes NaN
        return {name: (table[:, 0], table[:, 1]) for name, table in tables.items()}

    def events(self) -> list[dict[str, Any]]:
        """Return what happened, in order: dicts of step, kind, message (a `Message`) and data."""
        rows = self._rows("SELECT step, kind, message, data FROM events ORDER BY id")
        return [
            {"step": step, "kind": kind, "message": Message(**json.loads(words)), "data": json.loads(data)}
            for step, kind, words, data in rows
        ]

    def meta(self) -> dict[str, Any]:
        """Return the facts kept beside the columns: layers in order, outcome, seconds, and so on."""
        return {key: json.loads(value) for key, value in self._rows("SELECT key, value FROM meta")}

    def close(self) -> None:
        self._database.close()

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with _reading(self.path):
            return self._database.execute(query, values).fetchall()


class TraceWriter:
    """Write a trace. Opening an existing one first takes in what a killed process left in its journal."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "trace.sqlite"
        with self._clear_words(), storage_errors(self.path):
            self._database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_TABLES.format(schema=SCHEMA))
            _check_schema(self.path, self._database)
        self._journal = Journal(folder / "trace.journal", len(STEP_COLUMNS))
        self._moving: list[tuple[int, int, str, float]] = []
        self._flushed_at = 0.0
        self.flush()

    def steps(self, rows: Sequence[tuple[float, ...]]) -> None:
        """Write the columns of some steps, each in the order of `STEP_COLUMNS`."""
        for row in rows:
            if self._journal.full:
                self.flush()
            self._journal.append(row)
        if rows and abs(rows[-1][-1] - self._flushed_at) > _MOMENT:
            self.flush()
            self._flushed_at = rows[-1][-1]

    def moving(self, step: int, values: Mapping[str, float], *, member: int = 0) -> None:
        """Write what hyperparameters were at a step; the rows reach readers with those of the steps."""
        self._moving += [(step, member, name, value) for name, value in values.items()]

    def evaluation(self, *, step: int, epoch: float, split: str, values: Mapping[str, float], member: int = 0) -> None:
        """Write metrics of one split."""
        rows = [(step, member, epoch, split, metric, value) for metric, value in values.items()]
        self._many("INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?)", rows)

    def layers(self, step: int, signals: Mapping[str, Mapping[str, float]], *, member: int = 0) -> None:
        """Write sampled signals: layer to name to value."""
        rows = [(step, member, layer, name, value) for layer, named in signals.items() for name, value in named.items()]
        self._many("INSERT OR REPLACE INTO layers VALUES (?, ?, ?, ?, ?)", rows)

    def event(self, step: int, kind: str, message: Message, data: Any = None) -> None:
        """Write that something happened."""
        words = json.dumps({"key": message.key, "values": message.values}, ensure_ascii=False)
        row = (step, kind, words, json.dumps(data, ensure_ascii=False))
        self._many("INSERT INTO events (step, kind, message, data) VALUES (?, ?, ?, ?)", [row])

    def set_meta(self, **facts: Any) -> None:
        """Keep facts beside the columns."""
        rows = [(key, json.dumps(value, ensure_ascii=False)) for key, value in facts.items()]
        self._many("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    def rewind(self, step: int) -> None:
        """Forget what a run that goes on after `step` updates writes again, the same.

        An evaluation bears the number of updates before it: one at `step` on the way is kept, one at the end is not.
        """
        self.flush()
        for table in ("steps", "layers", "events", "moving"):
            self._many(f"DELETE FROM {table} WHERE step >= ?", [(step,)])
        at_end = f"split NOT IN ({', '.join('?' * len(SPLITS_ON_THE_WAY))})"
        self._many(
            f"DELETE FROM evaluations WHERE step > ? OR (step = ? AND {at_end})", [(step, step, *SPLITS_ON_THE_WAY)]
        )

    def flush(self) -> None:
        """Move the journal's rows into the database, where readers see them."""
        if self._journal.count:
            # One row at a time: a list of them all would set off the garbage collector, which then walks all of torch.
            rows = (row.tolist() for row in self._journal.rows())
            marks = ", ".join("?" * len(STEP_COLUMNS))
            self._many(f"INSERT OR REPLACE INTO steps VALUES ({marks})", rows)
            self._journal.clear()
        if self._moving:
            self._many("INSERT OR REPLACE INTO moving VALUES (?, ?, ?, ?)", self._moving)
            self._moving = []

    def sync(self) -> None:
        """Bring everything written so far to the disk itself, so that a power cut does not take it either."""
        self.flush()
        with self._clear_words(), storage_errors(self.path):
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        self.flush()
        self._journal.close()
        self._database.close()

    def _many(self, statement: str, rows: Iterable[Any]) -> None:
        with self._clear_words(), storage_errors(self.path):
            self._database.execute("BEGIN")
            try:
                self._database.executemany(statement, rows)
                self._database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _clear_words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            cure = (
                "the disk is full; free some space, what was recorded so far is kept" if "full" in str(error) else error
            )
            raise StorageError(f"{self.path} could not be written: {cure}.") from error
        except sqlite3.DatabaseError as error:
            raise RunError(f"{self.path} is damaged or no trace of thalweg ({error}).") from None


def _address(path: Path) -> str:
    """Name a trace for reading; SQLite needs files beside it, so a finished one in a sealed folder is read as it
    lies.
    """
    live = Path(f"{path}-wal").exists()
    sealed = not os.access(path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
    return f"{path.resolve().as_uri()}?{'immutable=1' if sealed and not live else 'mode=rw'}"


def _check_schema(path: Path, database: sqlite3.Connection) -> None:
    row = database.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if row is None or row[0] != str(SCHEMA):
        database.close()
        found = "none" if row is None else row[0]
        raise RunError(f"{path} has schema {found}, this version of thalweg reads schema {SCHEMA}.")


def _named(columns: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    """Name the values of a row; SQLite keeps NaN as NULL."""
    named = dict(zip(columns, row, strict=True))
    return {**named, "value": float("nan") if named["value"] is None else named["value"]}


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise RunError(f"{path} is damaged or no trace of thalweg ({error}).") from None
