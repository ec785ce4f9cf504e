"""What a run reaches with no setting touched: five seeds, beside scikit-learn's MLP with its defaults.

    python benchmarks/defaults.py [--seeds 5]

Every seed draws its own split. scikit-learn sees the same training rows (training and validation together, since it
keeps none aside) as it would be given them by hand, and once more standardised.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timing import keep

import thalweg as tw
from thalweg.data import Spiral
from thalweg.train import Recipe, make_job, start

SOURCES = {
    "digits": (tw.open_source("digits"), 0.97),
    "breast_cancer": (tw.open_source("breast_cancer"), 0.96),
    "wine": (tw.open_source("wine"), 0.96),
    "diabetes": (tw.open_source("diabetes"), 0.42),
    "spiral, noise 0.1": (Spiral(noise=0.1), 0.97),
}


def ours(source, seed: int, folder: Path) -> tuple[float, float]:
    begin = time.perf_counter()
    session = start(Recipe(data=source, seed=seed), out=folder)
    for _ in session:
        pass
    scores = tw.Run(session.folder.path).scores["test"]
    return scores.get("accuracy", scores.get("r2")), time.perf_counter() - begin


def theirs(source, seed: int, *, standardised: bool) -> tuple[float, float]:
    dataset = source.load()
    job = make_job(Recipe(data=source, seed=seed, model=tw.mlp(4)), dataset=dataset)
    train = np.concatenate([job.data.train.rows, job.data.validation.rows])
    X = np.asarray(dataset.inputs, dtype=np.float64).reshape(len(dataset.inputs), -1)
    kind = MLPRegressor if dataset.task == "regression" else MLPClassifier
    model = kind(random_state=seed)
    model = make_pipeline(StandardScaler(), model) if standardised else model
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[train], dataset.targets[train])
    return model.score(X[job.data.test.rows], dataset.targets[job.data.test.rows]), time.perf_counter() - begin


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    warnings.simplefilter("ignore")
    heads = (("thalweg", 16), ("s", 6), ("scikit-learn", 16), ("s", 6), ("standardised", 16), ("s", 6))
    print(f"{'test accuracy or R²':20s}{'wanted':>8s}" + "".join(f"{head:>{width}s}" for head, width in heads))
    kept = {}
    for name, (source, wanted) in SOURCES.items():
        with tempfile.TemporaryDirectory() as folder:
            a = [ours(source, seed, Path(folder)) for seed in seeds]
        b = [theirs(source, seed, standardised=False) for seed in seeds]
        c = [theirs(source, seed, standardised=True) for seed in seeds]
        cells = "".join(
            f"{spread([s for s, _ in r]):>16s}{statistics.median([t for _, t in r]):6.1f}" for r in (a, b, c)
        )
        print(f"{name:20s}{wanted:8.2f}{cells}", flush=True)
        kept[name] = {"wanted": wanted, "thalweg": a, "scikit-learn": b, "scikit-learn, standardised": c}
    keep("defaults.json", {"seeds": len(seeds), **kept})
    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
