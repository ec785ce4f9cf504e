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

LONG = ("train", "iris", "--epochs", "1000", "--set", "stop=none", "--threads", "1", "--no-report")
SLOW = """
import pathlib, time, torch
class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(4, 3)
    def forward(self, x):
        if self.training:
            pathlib.Path("stepping").touch()
            for _ in range(100):
                time.sleep(0.1)
        return super().forward(x)
"""


def wait_for(file: Path, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < end, f"{file} never appeared"
        time.sleep(0.02)


def test_ctrl_c_ends_after_a_checkpoint_and_resume_goes_on_to_the_end(folder: Path, start: Any, call: Any) -> None:
    process = start(*LONG)
    checkpoint = folder / "runs/iris-1/checkpoints/last.safetensors"
    wait_for(checkpoint)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert checkpoint.is_file() and "thalweg train --resume" in err and "Traceback" not in err and out == ""
    result = call("train", "--resume", "latest", "--max-seconds", "0.01", "--no-report", "--json")
    assert result.exit_code == 5 and json.loads(result.stdout)["outcome"] == "budget"
    result = call("train", "--resume", "iris-1", "--max-seconds", "1000", "--no-report", "--json")
    record = json.loads(result.stdout)
    assert result.exit_code == 0 and record["outcome"] == "finished" and record["steps"] == 1000 * 7
    result = call("train", "--resume", "iris-1")
    assert result.exit_code == 2 and "finished" in result.stderr


def test_sigterm_ends_after_a_checkpoint(folder: Path, start: Any) -> None:
    process = start(*LONG)
    wait_for(folder / "runs/iris-1/checkpoints/last.safetensors")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 143 and "thalweg train --resume" in err, err


def test_a_second_ctrl_c_leaves_at_once_and_says_what_is_kept(folder: Path, start: Any) -> None:
    (folder / "slow_net.py").write_text(SLOW)
    process = start("train", "iris", "--model", "slow_net:Net", "--threads", "1", "--no-report")
    wait_for(folder / "stepping")
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - begin < 5 and process.returncode == 130
    assert "Stopping after the step" in err and "Left at once. Kept: runs/iris-1" in err


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
    seen = on_a_terminal("train", "iris", "--epochs", "60", "--threads", "1", "--no-report")
    assert "━" in seen and "it/s" in seen and "|g|" in seen
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", seen)


def test_no_color_is_honoured_on_a_terminal(folder: Path) -> None:
    seen = on_a_terminal("train", "iris", "--epochs", "50", "--threads", "1", "--no-report", NO_COLOR="1")
    assert "━" in seen
    assert not re.search(r"\x1b\[[0-9;]*[349][0-9]m", seen)
    assert "\x1b" not in on_a_terminal("--help", NO_COLOR="1")
