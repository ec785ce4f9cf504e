"""Batch norm at test time: moving averages against a pass over the training set, after short runs on digits.

    python benchmarks/precise_statistics.py [--seeds 8]

An MLP of two hidden layers with batch norm takes a few steps of SGD with momentum; the same weights are then tested
with the moving averages (p = 0.1) and with precise statistics. Every seed draws its own split, start and batches.
"""

import argparse
import copy
import itertools
import statistics

import numpy as np
import torch
from sklearn.datasets import load_digits
from timing import keep
from torch import Tensor, nn

from thalweg.model import build_seeded, mlp
from thalweg.norms import precise_statistics

BATCHES, STEPS, RATES = (4, 16, 64, 256), (10, 20, 40, 160), (0.05, 0.2)
TEST = 297


def digits(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    found = load_digits()
    order = np.random.default_rng(seed).permutation(len(found.target))
    x = torch.tensor(found.data[order] / 16, dtype=torch.float32)
    y = torch.tensor(found.target[order])
    return x[TEST:], y[TEST:], x[:TEST], y[:TEST]


def accuracy(module: nn.Module, x: Tensor, y: Tensor) -> float:
    with torch.no_grad():
        return 100 * (module.eval()(x).argmax(1) == y).double().mean().item()


def measure(seed: int, batch: int, steps: int, lr: float) -> tuple[float, float]:
    """Return the test accuracy with moving and with precise statistics."""
    x, y, test_x, test_y = digits(seed)
    module = build_seeded(mlp(64, 64, norm="batch"), (64,), 10, seed).train()
    optimizer = torch.optim.SGD(module.parameters(), lr=lr, momentum=0.9)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        chosen = torch.randperm(len(x), generator=generator)[:batch]
        loss = nn.functional.cross_entropy(module(x[chosen]), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    precise = copy.deepcopy(module)
    whole = x[torch.randperm(len(x), generator=generator)]
    precise_statistics(precise, [part for part in whole.split(batch) if len(part) > 1])
    return accuracy(module, test_x, test_y), accuracy(precise, test_x, test_y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    rows = []
    print(f"digits, MLP 64-64 with batch norm, SGD momentum 0.9, {seeds} seeds: mean ± deviation, in percent")
    print(f"{'lr':>5s}{'batch':>6s}{'steps':>6s}{'moving':>14s}{'precise':>14s}{'gain':>14s}{'better':>8s}")
    for lr, batch, steps in itertools.product(RATES, BATCHES, STEPS):
        pairs = [measure(seed, batch, steps, lr) for seed in range(seeds)]
        moving, precise = ([pair[k] for pair in pairs] for k in (0, 1))
        gain = [b - a for a, b in pairs]
        cells = "".join(
            f"{f'{statistics.mean(v):.1f} ± {statistics.stdev(v):.1f}':>14s}" for v in (moving, precise, gain)
        )
        print(f"{lr:5.2f}{batch:6d}{steps:6d}{cells}{sum(value > 0 for value in gain):6d}/{seeds}")
        rows.append({"lr": lr, "batch": batch, "steps": steps, "moving": moving, "precise": precise})
    keep("precise_statistics.json", {"seeds": seeds, "rows": rows})


if __name__ == "__main__":
    main()
