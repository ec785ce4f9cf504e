"""A trace after SIGKILL at a random moment: every step that was reported is there."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from thalweg.signals import Trace, TraceWriter

WRITER = Path(__file__).with_name("writer.py")
_moments = random.Random(20)


@pytest.mark.parametrize("moment", [round(_moments.uniform(0.05, 0.5), 3) for _ in range(10)])
def test_a_kill_loses_at_most_the_step_under_way(tmp_path, moment):
    process = subprocess.Popen([sys.executable, WRITER, tmp_path], stdout=subprocess.PIPE)
    first = process.stdout.readline()
    told = [first]
    reader = threading.Thread(target=lambda: told.append(process.stdout.read()))
    reader.start()
    time.sleep(moment)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    reader.join()
    process.stdout.close()
    reported = int(b"".join(told).rsplit(b"\n", 2)[-2])  # the last whole line
    writer = TraceWriter(tmp_path)
    trace = Trace(tmp_path / "trace.sqlite")
    steps = trace.steps()
    count = len(steps["step"])
    assert reported + 1 <= count <= reported + 2
    np.testing.assert_array_equal(steps["step"], np.arange(count))
    np.testing.assert_array_equal(steps["loss"], 2.0 / (np.arange(count) + 1))
    assert np.isnan(steps["grad_norm"]).all()
    writer.steps([(count, 0, 0.0, 0.5, 0.1, 1.0, 1e6)])
    assert trace.steps()["step"][-1] == count
    trace.close()
    writer.close()


def test_reading_while_another_process_writes(tmp_path):
    process = subprocess.Popen([sys.executable, WRITER, tmp_path], stdout=subprocess.PIPE)
    try:
        drain = threading.Thread(target=process.stdout.read)
        process.stdout.readline()
        drain.start()
        trace, seen = Trace(tmp_path / "trace.sqlite"), []
        end = time.monotonic() + 20
        while time.monotonic() < end and len(set(seen)) < 4:
            steps = trace.steps()["step"]
            np.testing.assert_array_equal(steps, np.arange(len(steps)))
            seen.append(len(steps))
        trace.close()
    finally:
        process.kill()
        process.wait()
    drain.join()
    process.stdout.close()
    assert seen == sorted(seen) and len(set(seen)) >= 4
