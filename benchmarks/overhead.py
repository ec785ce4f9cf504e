"""What recording costs: a session, recorded on disk, beside the bare loop over the same job.

    python benchmarks/overhead.py [--rounds 9]

Two networks: the smallest that anybody trains, and one whose step takes about 5 ms.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from timing import keep, race, table
from train_small import forever

import thalweg as tw
from thalweg.train import Recipe, advance, make_job, start

CASES = {
    "smallest: spiral, MLP 2-8-2, batch 32": (tw.data.Spiral(size=1000), tw.mlp(8), 32, 2000),
    "about 5 ms a step: digits, MLP 512-512, batch 256": (
        tw.open_source("digits"),
        tw.mlp(512, 512),
        256,
        60,
    ),
}


def recipe(source, model, batch: int) -> Recipe:
    return Recipe(
        data=source, model=model, batch_size=batch, epochs=100_000, stop=None, device="cpu",
        evaluate_every=100_000, threads=torch.get_num_threads(),
    )  # fmt: skip


def bare(made: Recipe):
    while True:
        yield from advance(make_job(made))


def recorded(made: Recipe, folder: Path):
    while True:
        yield from start(made, out=folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    kept = {}
    for name, (source, model, batch, steps) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            made = recipe(source, model, batch)
            contenders = {
                "bare loop": forever(lambda made=made: bare(made)),
                "recorded session": forever(lambda made=made, folder=folder: recorded(made, Path(folder))),
            }
            timings = race(contenders, steps=steps, rounds=rounds)
            contenders.clear()
        print(table(f"\n{name}", timings, base="bare loop"))
        kept[name] = timings
    keep("overhead.json", kept)


if __name__ == "__main__":
    main()
