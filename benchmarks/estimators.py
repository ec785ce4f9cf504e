"""Defaults of tw.Classifier and tw.Regressor beside those of scikit-learn's networks behind a StandardScaler.

    python benchmarks/estimators.py [--seeds 5]

Five random cuts, 80 to 20; accuracy or R² on the 20, mean and standard deviation; seconds of one fit.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timing import keep

import thalweg as tw

SETS: dict[str, tuple[str, Callable[[], Any], float]] = {
    "digits": ("classes", lambda: datasets.load_digits(return_X_y=True), 0.97),
    "breast_cancer": ("classes", lambda: datasets.load_breast_cancer(return_X_y=True), 0.96),
    "wine": ("classes", lambda: datasets.load_wine(return_X_y=True), 0.96),
    "diabetes": ("values", lambda: datasets.load_diabetes(return_X_y=True), 0.42),
    "moons 500": ("classes", lambda: datasets.make_moons(500, noise=0.25, random_state=0), 0.0),
    "friedman1 1000": ("values", lambda: datasets.make_friedman1(1000, noise=1.0, random_state=0), 0.0),
}


def contender(name: str, kind: str, seed: int) -> Any:
    if name == "thalweg":
        return tw.Classifier(random_state=seed) if kind == "classes" else tw.Regressor(random_state=seed)
    network = MLPClassifier if kind == "classes" else MLPRegressor
    return make_pipeline(StandardScaler(), network(random_state=seed))


def measure(name: str, kind: str, X: Any, y: Any, seeds: int) -> dict[str, float]:
    scores, seconds = [], []
    for seed in range(seeds):
        stratify = y if kind == "classes" else None
        train_x, test_x, train_y, test_y = train_test_split(X, y, test_size=0.2, random_state=seed, stratify=stratify)
        estimator = contender(name, kind, seed)
        start = time.perf_counter()
        estimator.fit(train_x, train_y)
        seconds.append(time.perf_counter() - start)
        scores.append(float(estimator.score(test_x, test_y)))
    spread = statistics.stdev(scores) if seeds > 1 else 0.0
    return {"mean": statistics.mean(scores), "spread": spread, "seconds": statistics.median(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore", ConvergenceWarning)  # scikit-learn's networks stop after 200 passes by default
    results: dict[str, Any] = {}
    print(f"{'':16s}{'aim':>6s}{'thalweg':>20s}{'s':>8s}{'scikit-learn':>20s}{'s':>8s}")
    for set_name, (kind, load, aim) in SETS.items():
        X, y = load()
        row = {name: measure(name, kind, X, y, seeds) for name in ("thalweg", "scikit-learn")}
        results[set_name] = row
        cells = [f"{r['mean']:.4f} ± {r['spread']:.4f}".rjust(20) + f"{r['seconds']:8.2f}" for r in row.values()]
        print(f"{set_name:16s}{aim or '':>6}{''.join(cells)}", flush=True)
    keep("estimators.json", {"seeds": seeds, "sets": results})


if __name__ == "__main__":
    main()
