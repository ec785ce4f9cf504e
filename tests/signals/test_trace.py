"""The trace: what is written is read, damage is one sentence, going back forgets what comes again."""

import contextlib
import itertools
import json
import math
import os
import shutil
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from thalweg.core import RunError, StorageError, message
from thalweg.signals import STEP_COLUMNS, Trace, TraceWriter
from thalweg.signals.journal import CAPACITY, Journal


def row(step, member=0, seconds=None):
    seconds = step * 1e-3 if seconds is None else seconds
    return (step, member, step / 10, 1.0 / (step + 1), 0.1, float(step), seconds)


@pytest.fixture
def writer(tmp_path):
    writer = TraceWriter(tmp_path)
    yield writer
    with contextlib.suppress(StorageError):
        writer.close()


@contextlib.contextmanager
def reading(writer):
    trace = Trace(writer.path)
    yield trace
    trace.close()


def test_round_trip(writer):
    rows = [row(0), (1, 0, 0.1, math.nan, math.inf, -math.inf, 0.2), row(2), row(0, member=1)]
    writer.steps(rows[:1])
    writer.steps(rows[1:])
    writer.evaluation(step=3, epoch=0.3, split="validation", values={"loss": 0.5, "accuracy": math.nan})
    writer.evaluation(step=3, epoch=0.3, split="train", values={"loss": 0.4})
    writer.evaluation(step=6, epoch=0.6, split="validation", values={"loss": math.inf})
    writer.evaluation(step=6, epoch=0.6, split="validation", values={"loss": 9.0}, member=1)
    writer.set_meta(layers=["b", "a"], outcome="finished", seconds=1.5)
    writer.layers(2, {"a": {"mean": 1.0}, "b": {"mean": 2.0, "std": math.nan}, "new": {"mean": 3.0}})
    writer.event(3, "said", message("train.restored", epoch="7", metric="loss", value="0.5"), {"等": [1, None]})
    writer.flush()
    with reading(writer) as trace:
        steps = trace.steps()
        assert tuple(steps) == STEP_COLUMNS
        table = np.stack([steps[name] for name in STEP_COLUMNS], axis=1)
        np.testing.assert_array_equal(table, np.array(rows[:3]))
        assert trace.steps(member=1)["step"].tolist() == [0]
        assert len(trace.steps(member=2)["loss"]) == 0
        found = [(r["step"], r["split"], r["metric"]) for r in trace.evaluations()]
        assert found == [
            (3, "train", "loss"),
            (3, "validation", "accuracy"),
            (3, "validation", "loss"),
            (6, "validation", "loss"),
        ]
        assert math.isnan(trace.evaluations()[1]["value"])
        at, values = trace.series("validation", "loss")
        assert at.tolist() == [3, 6] and values.tolist() == [0.5, math.inf]
        assert trace.series("validation", "loss", member=1)[1].tolist() == [9.0]
        assert [len(column) for column in trace.series("test", "loss")] == [0, 0]
        assert trace.meta() == {"schema": 1, "layers": ["b", "a"], "outcome": "finished", "seconds": 1.5}
        layers = trace.layers()
        assert [(r["layer"], r["signal"]) for r in layers] == [
            ("b", "mean"),
            ("b", "std"),
            ("a", "mean"),
            ("new", "mean"),
        ]
        assert math.isnan(layers[1]["value"])
        [event] = trace.events()
        assert (event["step"], event["kind"], event["data"]) == (3, "said", {"等": [1, None]})
        assert event["message"].text("en") != event["message"].text("zh")


def test_nothing_is_nothing(writer):
    writer.steps([])
    with reading(writer) as trace:
        assert trace.evaluations() == trace.layers() == trace.events() == []
        assert len(trace.steps()["loss"]) == 0 and trace.meta() == {"schema": 1}


def test_readers_see_steps_within_a_moment(writer):
    with reading(writer) as trace:
        writer.steps([row(0, seconds=0.5)])
        assert len(trace.steps()["step"]) == 0
        writer.steps([row(1, seconds=1.6)])
        assert trace.steps()["step"].tolist() == [0, 1]
        writer.steps([row(2, seconds=2.5)])
        assert trace.steps()["step"].tolist() == [0, 1]
        writer.steps([row(3, seconds=2.7)])
        assert trace.steps()["step"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("block", [1, 7, 3 * CAPACITY])
def test_more_steps_than_the_journal_holds(tmp_path, block):
    writer = TraceWriter(tmp_path)
    rows = [row(step, seconds=0.0) for step in range(2 * CAPACITY + 300)]
    for some in itertools.batched(rows, block) if hasattr(itertools, "batched") else _batched(rows, block):
        writer.steps(list(some))
    writer.close()
    trace = Trace(tmp_path / "trace.sqlite")
    np.testing.assert_array_equal(trace.steps()["step"], np.arange(len(rows)))
    np.testing.assert_array_equal(trace.steps()["loss"], 1.0 / (np.arange(len(rows)) + 1))
    trace.close()


def _batched(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def test_a_writer_that_was_left_open_loses_nothing(tmp_path):
    first = TraceWriter(tmp_path)
    first.steps([row(step) for step in range(5)])  # still in the journal
    second = TraceWriter(tmp_path)
    with reading(second) as trace:
        assert trace.steps()["step"].tolist() == [0, 1, 2, 3, 4]
    second.close()
    first._journal.clear()
    first.close()


def test_going_back(writer):
    """A run that goes on after 4 updates takes step 4 again, but does not evaluate again before it."""
    writer.steps([row(step) for step in range(8)])
    for step in (2, 4, 6):
        for split in ("train", "validation"):
            writer.evaluation(step=step, epoch=0.0, split=split, values={"loss": 1.0 * step})
    writer.evaluation(step=4, epoch=0.0, split="test", values={"loss": 9.0})
    writer.evaluation(step=4, epoch=0.0, split="final-validation", values={"loss": 9.0})
    for step in (0, 3, 4):
        writer.layers(step, {"a": {"mean": 1.0}})
        writer.event(step, "said", message("findings.fact"))
    writer.rewind(4)
    with reading(writer) as trace:
        assert trace.steps()["step"].tolist() == [0, 1, 2, 3]
        assert {(r["step"], r["split"]) for r in trace.evaluations()} == {
            (2, "train"), (2, "validation"), (4, "train"), (4, "validation"),
        }  # fmt: skip
        assert [r["step"] for r in trace.layers()] == [0, 3] == [e["step"] for e in trace.events()]
        writer.steps([row(4)])
        writer.flush()
        assert trace.steps()["step"].tolist() == [0, 1, 2, 3, 4]


def sentence(error, *parts):
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and all(part in text for part in parts), text


def test_no_file(tmp_path):
    with pytest.raises(RunError) as error:
        Trace(tmp_path / "trace.sqlite")
    sentence(error, str(tmp_path / "trace.sqlite"), "does not exist")
    with pytest.raises(RunError):
        Trace(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, b"SQLite format 3\x00"])
def test_foreign_file(tmp_path, content):
    path = tmp_path / "trace.sqlite"
    path.write_bytes(content)
    with pytest.raises(RunError) as error:
        Trace(path)
    sentence(error, str(path), "is damaged or no trace")


def test_foreign_file_is_not_written_over(tmp_path):
    path = tmp_path / "trace.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(RunError) as error:
        TraceWriter(tmp_path)
    sentence(error, "is damaged or no trace")
    assert path.read_bytes() == b"not a database" * 100


@pytest.mark.parametrize("schema", ["99", '"two"'])
def test_another_schema_is_refused_and_kept(tmp_path, schema):
    TraceWriter(tmp_path).close()
    path = tmp_path / "trace.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE meta SET value = ? WHERE key = 'schema'", [schema])
        database.commit()
    for opened in (lambda: Trace(path), lambda: TraceWriter(tmp_path)):
        with pytest.raises(RunError) as error:
            opened()
        sentence(error, f"has schema {schema}", "reads schema 1")
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT value FROM meta").fetchall() == [(schema,)]


def test_foreign_database(tmp_path):
    path = tmp_path / "trace.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE other (x)")
    with pytest.raises(RunError) as error:
        Trace(path)
    sentence(error, "no such table: meta")


def test_truncated_file(tmp_path):
    writer = TraceWriter(tmp_path)
    writer.steps([row(step) for step in range(5000)])
    writer.close()
    path = tmp_path / "trace.sqlite"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RunError) as error:
        trace = Trace(path)
        trace.steps()
    sentence(error, "is damaged or no trace")


@pytest.mark.parametrize("damage", [b"", b"\xff" * 16, b"\xff" * (16 + CAPACITY * 56), b"\x00" * 100])
def test_a_damaged_journal_is_begun_anew(tmp_path, damage):
    writer = TraceWriter(tmp_path)
    writer.steps([row(0)])
    writer.close()
    (tmp_path / "trace.journal").write_bytes(damage)
    writer = TraceWriter(tmp_path)
    writer.steps([row(1)])
    writer.close()
    with reading(writer) as trace:
        assert trace.steps()["step"].tolist() == [0, 1]


@pytest.mark.parametrize("name", ["a#b", "what?", "50%20", "mode=ro&x", "运行 1"])
def test_any_folder_name(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    writer = TraceWriter(folder)
    writer.steps([row(0)])
    writer.close()
    with reading(writer) as trace:
        assert trace.steps()["step"].tolist() == [0]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_folder(tmp_path):
    with pytest.raises(StorageError) as error:
        TraceWriter(tmp_path / "nowhere")
    sentence(error, "could not be written")


@pytest.fixture
def sealed():
    """A folder in which we may not write; as root, by being somebody else for a while."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    yield place
    place.chmod(0o755)
    shutil.rmtree(place)


@contextlib.contextmanager
def as_nobody(place):
    place.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        place.chmod(0o755)


def test_a_finished_run_that_may_only_be_read(sealed):
    writer = TraceWriter(sealed)
    writer.steps([row(0), row(1)])
    writer.close()
    with as_nobody(sealed), reading(writer) as trace:
        assert trace.steps()["step"].tolist() == [0, 1]


def test_a_folder_that_may_not_be_written(sealed):
    with as_nobody(sealed), pytest.raises(StorageError) as error:
        TraceWriter(sealed)
    sentence(error, str(sealed), "could not be written")


def test_full_disk(writer):
    """SQLite's own limit stands in for the disk's: the same code path, the same words."""
    writer.steps([row(step, seconds=0.0) for step in range(100)])
    writer.flush()
    pages = writer._database.execute("PRAGMA page_count").fetchone()[0]
    writer._database.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageError) as error:
        writer.steps([row(step, seconds=0.0) for step in range(100, 4 * CAPACITY)])
    sentence(error, str(writer.path), "the disk is full", "what was recorded so far is kept")
    with reading(writer) as trace:
        kept = len(trace.steps()["step"])
        assert kept >= 100
        for _ in range(2):  # and it goes on saying so
            with pytest.raises(StorageError):
                writer.steps([row(10**6, seconds=0.0)])
        writer._database.execute("PRAGMA max_page_count = 100000")  # space was freed
        writer.steps([row(10**6, seconds=0.0)])
        writer.flush()
        steps = trace.steps()["step"]
        assert len(steps) == kept + CAPACITY + 1  # nothing that was reported as written is missing
        np.testing.assert_array_equal(steps[:-1], np.arange(kept + CAPACITY))


def test_full_disk_before_the_journal_is_made(tmp_path, small_disk):
    with pytest.raises(StorageError) as error:
        TraceWriter(small_disk(40_000))
    sentence(error, "could not be written", "the disk is full")


def test_full_disk_of_a_real_run(small_disk):
    folder = small_disk(400_000)
    writer = TraceWriter(folder)
    step = 0
    with pytest.raises(StorageError) as error:
        for step in range(100_000):
            writer.steps([row(step, seconds=0.0)])
    sentence(error, "the disk is full")
    with reading(writer) as trace:
        steps = trace.steps()["step"]
        assert len(steps) >= CAPACITY
        np.testing.assert_array_equal(steps, np.arange(len(steps)))
        assert len(steps) + CAPACITY == step  # the rest lies in the journal
    with contextlib.suppress(StorageError):
        writer.close()
    writer._journal.close()
    writer._database.close()


def test_a_closed_journal_reopens_where_it_was(tmp_path):
    journal = Journal(tmp_path / "j", 2)
    journal.append((1.0, math.nan))
    journal.append((3.0, 4.0))
    journal.close()
    again = Journal(tmp_path / "j", 2)
    np.testing.assert_array_equal(again.rows(), [[1.0, math.nan], [3.0, 4.0]])
    again.clear()
    assert again.count == 0 and again.rows().shape == (0, 2)
    again.close()


def test_what_a_step_costs(tmp_path):
    """Measured and printed (pytest -rP), not asserted: a machine may be busy."""
    writer = TraceWriter(tmp_path)
    rows = [[row(step)] for step in range(100_000)]
    begin = time.perf_counter()
    for one in rows:
        writer.steps(one)
    writer.flush()
    print(f"{(time.perf_counter() - begin) / len(rows) * 1e6:.2f} microseconds a step")
    writer.close()
    trace = Trace(writer.path)
    assert len(trace.steps()["step"]) == len(rows)
    trace.close()
    assert json.dumps(trace.path.name)
