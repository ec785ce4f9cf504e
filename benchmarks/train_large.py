"""A step of networks of ten million weights: thalweg, recorded, beside the loop that people write.

    python benchmarks/train_large.py [--rounds 5]

Both train the same nn.Module with AdamW on the same made-up data; ours writes its trace, signals and checkpoints to
disk.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from timing import keep, race, table
from train_small import forever

import thalweg as tw
from thalweg.data import Arrays, Source, Split
from thalweg.model import Model
from thalweg.train import Recipe, make_job, start

CASES: dict[str, tuple[Model, int]] = {
    "convnet, 10 M weights, 3x32x32, batch 32": (tw.convnet(64, 128, 256, hidden=2400), 32),
    "transformer, 10 M weights, 64 tokens, batch 16": (tw.transformer(width=320, depth=8, heads=8), 16),
}


def images() -> Source:
    rng = np.random.default_rng(0)
    return Arrays(
        X=rng.normal(size=(2048, 3, 32, 32)).astype(np.float32),
        y=rng.integers(0, 10, 2048),
        task="classification",
    )


def text(folder: Path) -> Source:
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ.,;:!?0123456789", dtype="S1")
    (folder / "text.txt").write_bytes(np.random.default_rng(0).choice(letters, 400_000).tobytes())
    return tw.data.Text(paths=(str(folder / "text.txt"),), window=64)


def recipe(data: Source, model: Model, batch: int) -> Recipe:
    return Recipe(
        data=data, model=model, batch_size=batch, epochs=50, rule=tw.rules.AdamW(lr=3e-4, weight_decay=0.01),
        split=Split(validation=0.05, test=0.0), evaluate_every=50, stop=None, device="cpu",
        threads=torch.get_num_threads(),
    )  # fmt: skip


def by_hand(made: Recipe):
    """The loop that people write, over the same tensors and the same module."""
    job = make_job(made)
    module = job.state.module
    module.train()
    optimizer = torch.optim.AdamW(module.parameters(), lr=3e-4, weight_decay=0.01)
    while True:
        for index in torch.randperm(len(job.data.train)).split(made.batch_size or 1):
            x, y = job.data.train.batch(index)
            optimizer.zero_grad()
            loss = job.loss.total(module(x), y)
            loss.backward()
            optimizer.step()
            yield loss.item()


def ours(made: Recipe, folder: Path):
    while True:
        yield from start(made, out=folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    kept = {}
    for name, (model, batch) in CASES.items():
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            made = recipe(images() if name.startswith("convnet") else text(folder), model, batch)
            contenders = {
                "hand-written loop": forever(lambda made=made: by_hand(made)),
                "thalweg, recorded": forever(lambda made=made, folder=folder: ours(made, folder)),
            }
            timings = race(contenders, steps=8, rounds=arguments.rounds)
            contenders.clear()
        print(table(f"\n{name}", timings, base="hand-written loop", unit=1e3, name="ms"))
        kept[name] = timings
    keep("train_large.json", kept)


if __name__ == "__main__":
    main()
