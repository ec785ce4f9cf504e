"""Write steps as fast as can be and print each number after it is written; test_kill.py ends this process."""

import os
import sys
from pathlib import Path

from thalweg.signals import TraceWriter

writer = TraceWriter(Path(sys.argv[1]))
for step in range(10**9):
    writer.steps([(step, 0, step / 100, 2.0 / (step + 1), 0.1, float("nan"), step * 1e-3)])
    os.write(1, b"%d\n" % step)
