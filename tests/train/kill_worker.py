"""Train, or go on training, in a process that the test kills: `kill_worker.py KIND FOLDER`."""

import sys
import warnings
from pathlib import Path

import thalweg as tw
from thalweg.train import EarlyStopping, Folder, Recipe, resume, start

RECIPES = {
    # shuffling, dropout, a schedule, patience that counts, and adaptive memory
    "mlp-dropout": Recipe(
        data=tw.open_source("digits"), model=tw.mlp(32, 32, dropout=0.3), epochs=40, batch_size=50, threads=1,
        stop=EarlyStopping(patience=30), evaluate_every=1, seed=3, device="cpu",
    ),
    # running statistics, accumulation over windows that do not divide the batch, coupled decay
    "convnet-batch-norm": Recipe(
        data=tw.open_source("digits"), model=tw.convnet(4, 8, dropout=0.2), epochs=6, batch_size=50, windows=3,
        rule=tw.rules.SGD(lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4), threads=1, evaluate_every=1,
        schedule=tw.schedules.InverseTime(decay=0.3), seed=4, device="cpu",
    ),
    # judged averages with statistics of their own, a rate that waits for a metric, a decay that moves, mixed examples
    "averages": Recipe(
        data=tw.open_source("digits"), model=tw.mlp(32, 32, norm="batch", dropout=0.2), epochs=14, batch_size=50,
        rule="adamw(lr=0.03)+ema(average_decay=0.99)", schedule="plateau(patience=0, gamma=0.5, threshold=0.1)",
        schedules={"weight_decay": "cosine(floor=0.1)"}, augment=("mixup", "input-noise(std=0.2)"),
        statistics="precise", stop=EarlyStopping(patience=30), evaluate_every=1, threads=1, seed=5, device="cpu",
    ),
}  # fmt: skip


def main(kind: str, folder: Path) -> None:
    warnings.simplefilter("ignore")
    session = resume(folder) if Folder(folder).exists() else start(RECIPES[kind], out=folder.parent, folder=folder)
    print("go", flush=True)
    for _ in session:
        pass
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
