"""Healthy data of many kinds: each audit must be silent on all of them."""

import functools

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_friedman1,
    make_moons,
)


def z(x):
    deviation = x.std(0)
    return (x - x.mean(0)) / np.where(deviation > 0, deviation, 1)


@functools.cache
def bundled(name):
    load = {"digits": load_digits, "wine": load_wine, "breast": load_breast_cancer, "iris": load_iris}
    data = load_diabetes(scaled=False) if name == "diabetes" else load[name]()
    return data.data[:1200], data.target[:1200]


def _linear(draw):
    x = draw.normal(size=(300, 8))
    return x, x @ draw.normal(size=8) + 0.1 * draw.normal(size=300)


def _words(draw):
    x = draw.poisson(draw.gamma(0.1, 0.3, size=200), size=(800, 200)).astype(np.float32)
    return x, (x[:, :40].sum(1) >= x[:, 40:80].sum(1)).astype(int)


def _images(draw):
    y = draw.integers(0, 3, 400)
    x = draw.random((400, 3, 8, 8)) * 0.5
    x[np.arange(400), y] += 0.3
    return x.astype(np.float32), y


def _windows(draw):
    series = np.sin(np.arange(900) / 25) + 0.2 * draw.normal(size=900)
    return np.stack([series[i : i + 24] for i in range(800)])[:, :, None], series[24:824]


def _tokens(draw):
    x = draw.integers(0, 20, (500, 12))
    return x, (x == 3).any(1).astype(int)


def _flags(draw):
    x = draw.integers(0, 2, (500, 4)).astype(float)
    return x, (x.sum(1) > 2).astype(int)


def _heavy(draw):
    x = draw.lognormal(0, 1, size=(600, 6))
    return z(x), np.log(x).sum(1) + draw.normal(size=600)


def _rare(draw):
    x = draw.normal(size=(1500, 6))
    return x, (draw.random(1500) < 1 / (1 + np.exp(3.5 - 2 * x[:, 0]))).astype(int)


def _one_hot(draw):
    kind = draw.zipf(1.6, size=800) % 100
    return np.eye(100)[kind], draw.normal(size=100)[kind] + draw.normal(size=800)


MAKERS = {
    "linear": _linear,
    "words": _words,
    "images": _images,
    "windows": _windows,
    "tokens": _tokens,
    "flags": _flags,
    "heavy": _heavy,
    "rare": _rare,
    "one-hot": _one_hot,
    "friedman": lambda draw: make_friedman1(600, n_features=8, noise=1.0, random_state=int(draw.integers(1000))),
    "moons": lambda draw: make_moons(400, noise=0.2, random_state=int(draw.integers(1000))),
    "blobs": lambda draw: make_classification(
        500, 12, n_informative=5, flip_y=0, class_sep=1.0, random_state=int(draw.integers(1000))
    ),
}
BUNDLED = ("digits", "wine", "breast", "iris", "diabetes")
HEALTHY = [*BUNDLED, *(f"{name}-z" for name in BUNDLED), *MAKERS]
ORDERED = ("windows",)  # the split follows time


@functools.cache
def healthy(name, seed=0):
    """Return inputs and targets of a healthy set."""
    if name in MAKERS:
        return MAKERS[name](np.random.default_rng(seed))
    x, y = bundled(name.removesuffix("-z"))
    return (z(x) if name.endswith("-z") else x), y


def cut(name, seed=0, share=0.75):
    """Return training and validation inputs and targets, drawn at random (along time for series)."""
    x, y = healthy(name, seed)
    rows = np.arange(len(y)) if name in ORDERED else np.random.default_rng(seed).permutation(len(y))
    first, second = np.split(rows, [int(share * len(y))])
    return x[first], y[first], x[second], y[second]


def flipped(y, share, num_classes, seed=0):
    """Return labels of which a share was exchanged for another class at random."""
    draw = np.random.default_rng(seed)
    hit = draw.random(len(y)) < share
    return np.where(hit, (y + draw.integers(1, num_classes, len(y))) % num_classes, y)
