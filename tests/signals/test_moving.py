"""The table of hyperparameters that move: written with the steps, read as columns, rewound with them."""

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from thalweg.signals import Trace, TraceWriter


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[TraceWriter]:
    writer = TraceWriter(tmp_path)
    yield writer
    writer.close()


def read(writer: TraceWriter, member: int = 0) -> dict[str, tuple[list[float], list[float]]]:
    trace = Trace(writer.path)
    found = {name: (steps.tolist(), values.tolist()) for name, (steps, values) in trace.moving(member).items()}
    trace.close()
    return found


def write(writer: TraceWriter, count: int, *, member: int = 0, start: int = 0) -> None:
    for step in range(start, start + count):
        writer.steps([(step, member, 0.0, 1.0, 0.1, 1.0, step * 1e-3)])
        writer.moving(step, {"momentum": 0.9 - step / 100, "l2_strength": float(step)}, member=member)


def test_round_trip(writer: TraceWriter) -> None:
    write(writer, 3)
    write(writer, 2, member=1)
    writer.flush()
    assert read(writer) == {"momentum": ([0, 1, 2], [0.9, 0.89, 0.88]), "l2_strength": ([0, 1, 2], [0, 1, 2])}
    assert read(writer, 1) == {"momentum": ([0, 1], [0.9, 0.89]), "l2_strength": ([0, 1], [0, 1])}
    assert read(writer, 2) == {}


def test_rows_reach_readers_with_a_flush_and_with_closing(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path)
    write(writer, 2)
    writer.close()
    assert read(writer)["momentum"][0] == [0, 1]


def test_rows_of_steps_that_fill_the_journal_are_all_there(writer: TraceWriter) -> None:
    write(writer, 3000)
    writer.sync()
    steps, values = read(writer)["l2_strength"]
    assert steps == values == [float(k) for k in range(3000)]


def test_going_back_forgets_what_comes_again(writer: TraceWriter) -> None:
    write(writer, 6)
    writer.rewind(4)
    assert read(writer)["momentum"][0] == [0, 1, 2, 3]
    write(writer, 2, start=4)
    writer.flush()
    assert read(writer)["momentum"][0] == [0, 1, 2, 3, 4, 5]


def test_going_back_forgets_rows_that_had_not_reached_the_disk(writer: TraceWriter) -> None:
    write(writer, 6)
    writer.rewind(2)
    writer.flush()
    assert read(writer)["momentum"][0] == [0, 1]


def test_a_step_written_twice_counts_once(writer: TraceWriter) -> None:
    writer.moving(0, {"momentum": 0.1})
    writer.flush()
    writer.moving(0, {"momentum": 0.2})
    writer.flush()
    assert read(writer) == {"momentum": ([0], [0.2])}


def test_numbers_that_are_none(writer: TraceWriter) -> None:
    writer.moving(0, {"a": math.nan})
    writer.moving(1, {"a": math.inf})
    writer.flush()
    trace = Trace(writer.path)
    steps, values = trace.moving()["a"]
    assert steps.dtype == values.dtype == np.float64
    np.testing.assert_array_equal(values, [math.nan, math.inf])
    trace.close()


def test_nothing_moved(writer: TraceWriter) -> None:
    write(writer, 0)
    writer.flush()
    assert read(writer) == {}


def test_a_trace_of_before_is_read_and_goes_on(tmp_path: Path) -> None:
    """Runs of a version that moved the rate alone have no such table."""
    writer = TraceWriter(tmp_path)
    writer.steps([(0, 0, 0.0, 1.0, 0.1, 1.0, 0.0)])
    writer.close()
    database = sqlite3.connect(writer.path)
    database.execute("DROP TABLE moving")
    database.commit()
    database.close()
    assert read(writer) == {}
    again = TraceWriter(tmp_path)
    again.rewind(1)
    write(again, 1, start=1)
    again.close()
    assert read(again)["l2_strength"] == ([1], [1.0])
