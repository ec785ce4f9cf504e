import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

LONG = (
    "train",
    "iris",
    "--epochs",
    "20000",
    "--set",
    "stop.patience=1000000",
    "--threads",
    "1",
    "--no-report",
)


def wait_for(file: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < end, f"{file} never appeared"
        time.sleep(0.02)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_after_a_checkpoint_and_resume_goes_on(
    folder: Path, start: Any, number: int, code: int
) -> None:
    process = start(*LONG)
    checkpoint = folder / "runs/iris-1/checkpoints/last.safetensors"
    wait_for(checkpoint)
    time.sleep(0.3)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert checkpoint.is_file() and "thalweg train --resume" in err and "Traceback" not in err and out == ""
    process = start("train", "--resume", "latest", "--max-seconds", "0.01", "--no-report", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 5, err
    assert json.loads(out)["outcome"] == "budget" and "going on at step" not in out.split("said")[0]


def test_resume_finishes_what_was_interrupted(folder: Path, start: Any) -> None:
    process = start(*LONG[:3], "1500", *LONG[4:])
    wait_for(folder / "runs/iris-1/checkpoints/last.safetensors")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    process = start("train", "--resume", "iris-1", "--no-report", "--json")
    out, err = process.communicate(timeout=60)
    record = json.loads(out)
    assert process.returncode == 0, err
    assert record["outcome"] == "finished" and record["steps"] == 1500 * 7
    process = start("train", "--resume", "iris-1")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2 and "finished" in err


def test_the_reader_going_away_is_no_error(start: Any) -> None:
    process = start("train", "--help")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    process.wait(timeout=20)
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.returncode in (0, 141)


def on_a_terminal(*args: str, **environment: str) -> str:
    """Run on a terminal of 80 columns and return everything that it was sent."""
    ours, theirs = pty.openpty()
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "TERM": "xterm-256color",
        "COLUMNS": "80",
        "LINES": "40",
        **environment,
    }
    env.pop("CI", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "thalweg", *args], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    )
    os.close(theirs)
    received = b""
    while True:
        ready, _, _ = select.select([ours], [], [], 30)
        try:
            piece = os.read(ours, 65536) if ready else b""
        except OSError:
            break
        if not piece:
            break
        received += piece
    os.close(ours)
    assert process.wait(timeout=30) == 0
    return received.decode()


def test_a_terminal_sees_the_display_and_its_colours(folder: Path) -> None:
    seen = on_a_terminal("train", "iris", "--epochs", "300", "--threads", "1", "--no-report")
    assert "━" in seen and "it/s" in seen and "|g|" in seen
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", seen)


def test_no_color_is_honoured_on_a_terminal(folder: Path) -> None:
    seen = on_a_terminal("train", "iris", "--epochs", "50", "--threads", "1", "--no-report", NO_COLOR="1")
    assert "━" in seen
    assert not re.search(r"\x1b\[[0-9;]*[349][0-9]m", seen)
    assert "\x1b" not in on_a_terminal("--help", NO_COLOR="1")
