"""Curves of known truth: healthy ones of many shapes, with the noise of batches, and sick ones.

All take a generator of random numbers; healthy ones end where nothing is left to gain, or nothing that matters.
"""

import numpy as np


def noisy(rng, path, *, relative=0.1, floor=0.01, kind=None):
    """Put the noise of batches on a path: it grows with the level, and has one of four distributions."""
    kind = rng.choice(["normal", "gamma", "lognormal", "wander"]) if kind is None else kind
    n, sigma = len(path), relative * np.abs(path) + floor
    if kind == "normal":
        return path + sigma * rng.normal(size=n)
    if kind == "gamma":
        shape = np.maximum((path / sigma) ** 2, 0.05)
        return rng.gamma(shape, np.maximum(path, 1e-9) / shape)
    if kind == "lognormal":
        s = np.sqrt(np.log1p((sigma / np.maximum(np.abs(path), 1e-9)) ** 2))
        return path * np.exp(s * rng.normal(size=n) - s**2 / 2)
    slow = np.zeros(n)
    for t in range(1, n):
        slow[t] = 0.8 * slow[t - 1] + 0.6 * rng.normal()
    return path + sigma * (0.8 * rng.normal(size=n) + 0.3 * slow)


def healthy(rng, steps=None):
    """Return the loss, rate and starts of epochs of a healthy run, and the name of its shape."""
    n = int(10 ** rng.uniform(1.7, 4)) if steps is None else steps
    t = np.arange(n)
    start, floor = rng.uniform(0.5, 5), rng.choice([0.0, 0.02, 0.3])
    name = rng.choice(
        ["exponential", "power", "cosine", "sawtooth", "spikes", "plateau", "stepped", "negative", "clean"]
    )
    tau = n * rng.uniform(0.03, 0.2)
    fall = np.exp(-t / tau)
    lr = np.full(n, 0.01)
    epoch = max(4, n // int(rng.integers(5, 30)))
    starts = np.arange(0, n, epoch)
    if name == "power":
        fall = (1 + t / (n * rng.uniform(0.002, 0.02))) ** -rng.uniform(0.5, 1.2)
    if name == "cosine":
        warm = max(1, n // 20)
        lr = 0.01 * np.where(t < warm, (t + 1) / warm, 0.5 * (1 + np.cos(np.pi * (t - warm) / (n - warm))))
        fall = np.exp(-np.cumsum(lr) / (0.15 * lr.sum()))
    if name == "plateau":
        fall = 1 / (1 + np.exp((t - 0.3 * n) / (0.04 * n))) * 0.7 + 0.3 * np.exp(-t / (0.05 * n))
    if name == "stepped":
        lr = 0.01 * 0.1 ** (t // (n / 3))
        fall = 0.8 * np.exp(-t / (0.08 * n)) + 0.2 * np.where(t < n / 3, 1, 0.4 * np.where(t < 2 * n / 3, 1, 0.8))
    path = floor + (start - floor) * fall
    if name == "negative":
        return noisy(rng, path - 3.0, relative=0.02, kind="normal"), lr, starts, name
    if name == "clean":
        return path, lr, starts, name
    loss = noisy(rng, path, relative=rng.choice([0.02, 0.1, 0.3]))
    if name == "sawtooth":
        pattern = rng.normal(size=epoch) * 0.3
        loss = loss * np.exp(pattern[t % epoch])
    if name == "spikes" and n >= 100:
        for at in rng.integers(n // 10, n - n // 10, size=3):
            loss[at : at + 3] += rng.uniform(1, 20) * start
    return loss, lr, starts, str(name)


def flat(rng, steps=None, *, relative=None):
    """Return a run that never moves: the trivial loss and the noise of batches about it."""
    n = int(10 ** rng.uniform(1.7, 4)) if steps is None else steps
    level = rng.uniform(0.5, 5)
    return noisy(
        rng, np.full(n, level), relative=rng.choice([0.01, 0.05, 0.2]) if relative is None else relative
    ), level


def still_falling(rng, steps=None):
    """Return a run that stops on the steep part of its fall."""
    n = int(10 ** rng.uniform(1.6, 3.5)) if steps is None else steps
    t = np.arange(n) / n
    path = rng.uniform(1, 5) * np.exp(-t * rng.uniform(0.4, 1.2))
    return noisy(rng, path, relative=rng.choice([0.02, 0.05, 0.1]))
