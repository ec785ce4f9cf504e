"""A run that is killed with SIGKILL, any number of times, ends with the weights of the run that never was."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from thalweg.signals import Trace
from thalweg.train import Folder, checkpoint

WORKER = Path(__file__).parent / "kill_worker.py"
KINDS = ("averages", "convnet-batch-norm", "mlp-dropout")


def launch(kind: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), kind, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_through(kind: str, folder: Path) -> float:
    """Run to the end without a kill; return the seconds that training took."""
    process = launch(kind, folder)
    assert process.stdout is not None and process.stdout.readline() == "go\n"
    start = time.perf_counter()
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return time.perf_counter() - start


def run_with_kills(kind: str, folder: Path, *, kills: int, within: float, rng: random.Random) -> int:
    """Kill the run `kills` times at random moments, then let it end; return how many kills met it alive."""
    met = 0
    for _ in range(kills):
        process = launch(kind, folder)
        assert process.stdout is not None
        first = process.stdout.readline()
        if first == "go\n":
            time.sleep(rng.uniform(0, within))
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        if process.returncode == -signal.SIGKILL:
            met += 1
        elif first != "go\n":
            assert "finished" in errors or "done" in errors, errors  # nothing was left to do
            break
    if Folder(folder).trace().meta()["outcome"] == "running":
        run_through(kind, folder)
    return met


def assert_same(a: Path, b: Path) -> None:
    (counts_a, tensors_a), (counts_b, tensors_b) = (checkpoint.read(Folder(p).last_checkpoint) for p in (a, b))
    assert counts_a["step"] == counts_b["step"] and counts_a["best"] == counts_b["best"]
    assert tensors_a.keys() == tensors_b.keys()
    for name, tensor in tensors_a.items():
        assert torch.equal(tensor, tensors_b[name]), name
    steps_a, steps_b = (Trace(p / "trace.sqlite").steps() for p in (a, b))
    for column in ("step", "epoch", "loss", "lr", "grad_norm"):
        np.testing.assert_array_equal(steps_a[column], steps_b[column], err_msg=column)
    rows_a, rows_b = (Trace(p / "trace.sqlite").evaluations() for p in (a, b))
    assert rows_a == rows_b
    np.testing.assert_equal(*(Trace(p / "trace.sqlite").moving() for p in (a, b)))


@pytest.mark.parametrize("kind", KINDS[:1])
def test_killed_run_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    seconds = run_through(kind, tmp_path / "whole")
    rng = random.Random(7)
    met = run_with_kills(kind, tmp_path / "killed", kills=2, within=seconds / 2, rng=rng)
    assert met >= 1
    assert_same(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
def test_hundred_kills(kind: str, tmp_path: Path) -> None:
    seconds = run_through(kind, tmp_path / "whole")
    rng, met = random.Random(11), 0
    while met < 100:
        met += run_with_kills(kind, tmp_path / "killed", kills=10, within=seconds / 6, rng=rng)
        assert_same(tmp_path / "whole", tmp_path / "killed")
        shutil.rmtree(tmp_path / "killed")
    print(f"{kind}: {met} kills met a run alive, all ended with the same bits")
