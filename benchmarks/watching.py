"""What watching costs: the wall time of a training loop in a process of its own, alone and under `thalweg diagnose`.

    python benchmarks/watching.py [--rounds 7]

The time is the loop's own, from its first step to its last: what comes after the script has ended is not in it.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import keep

LOOP = """
import time
import torch
from torch import nn
torch.set_num_threads(1)
torch.manual_seed(0)
width, steps, batch = {width}, {steps}, {batch}
model = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3))
optimizer = torch.optim.{rule}(model.parameters(), lr=1e-3)
x = torch.randn(4096, 16)
y = (x[:, 0] + x[:, 1] > 0).long() + (x[:, 2] > 0)
begun = time.perf_counter()
for step in range(steps):
    rows = torch.randint(0, len(x), (batch,))
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
    loss.backward()
    optimizer.step()
print("SECONDS", time.perf_counter() - begun)
"""
CASES = {
    "smallest: MLP 16-16-16-3, batch 32, SGD": {"width": 16, "batch": 32, "steps": 12000, "rule": "SGD"},
    "small: MLP 16-64-64-3, batch 64, Adam": {"width": 64, "batch": 64, "steps": 6000, "rule": "Adam"},
    "5 ms or more: MLP 16-768-768-3, batch 256, Adam": {"width": 768, "batch": 256, "steps": 400, "rule": "Adam"},
}


def seconds(command: list[str]) -> float:
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(next(line.split()[1] for line in told.splitlines() if line.startswith("SECONDS")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    kept = {}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "loop.py"
        for name, case in CASES.items():
            script.write_text(LOOP.format(**case))
            plain = [sys.executable, str(script)]
            watched = [sys.executable, "-m", "thalweg", "diagnose", str(script), "--budget", "0"]
            pairs = [(seconds(plain), seconds(watched)) for _ in range(rounds)]
            ratios = sorted(b / a for a, b in pairs)
            step = statistics.median(a for a, _ in pairs) / case["steps"]
            print(f"{name:50s} {1e3 * step:7.3f} ms a step   {statistics.median(ratios):5.3f} times"
                  f"   ({ratios[0]:.3f} to {ratios[-1]:.3f})")  # fmt: skip
            kept[name] = {"step_ms": 1e3 * step, "ratio": statistics.median(ratios), "ratios": ratios}
    keep("watching.json", {"cases": kept})


if __name__ == "__main__":
    main()
