"""A step of a small network: digits, MLP 64-64-64-10, batch 64, SGD with momentum, on one thread and on torch's
default.

    python benchmarks/train_small.py [--rounds 15] [--threads 1]

Our figure is that of a run with its trace, sampled signals and checkpoints on disk; one line has the evaluations on
validation data too (every 50 steps or more), which no other contender does. JAX takes all cores whatever the threads.
"""

import argparse
import functools
import importlib.util
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from timing import keep, race, table
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import thalweg as tw
from thalweg.train import Recipe, calibrate, make_job, start

BATCH, LR, MOMENTUM = 64, 0.05, 0.9
Contender = Callable[[int], None]


def digits() -> tuple[torch.Tensor, torch.Tensor]:
    X, y = load_digits(return_X_y=True)
    X = (X / 16 - 0.3).astype(np.float32)
    return torch.from_numpy(X[:1257]), torch.from_numpy(y[:1257])


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def forever(make: Callable[[], object], *, threads: int | None = None) -> Contender:
    """Turn a source of endless single steps into a contender that runs on so many threads."""
    steps = iter(make())  # type: ignore[call-overload]

    def run(count: int) -> None:
        if threads:
            torch.set_num_threads(threads)
        for _ in range(count):
            next(steps)

    return run


def by_hand():
    """The loop that people write over tensors."""
    X, y = digits()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    while True:
        running = 0.0
        for index in torch.randperm(len(X)).split(BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(X[index]), y[index])
            loss.backward()
            optimizer.step()
            running += loss.item()
            yield running


def with_loader():
    """The same over a DataLoader."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    loader = DataLoader(TensorDataset(*digits()), batch_size=BATCH, shuffle=True)
    while True:
        running = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            running += loss.item()
            yield running


def ours(folder: Path, *, threads: int, compile: bool, evaluate: bool = False):
    """A whole recorded run of thalweg, step by step."""
    warnings.simplefilter("ignore")
    while True:
        recipe = Recipe(
            data=tw.open_source("digits"), model=tw.mlp(64, 64), rule=tw.rules.SGD(lr=LR, momentum=MOMENTUM),
            batch_size=BATCH, epochs=5000, stop=None, threads=threads, compile=compile, device="cpu",
            evaluate_every=None if evaluate else 5000,
        )  # fmt: skip
        for snapshot in start(recipe, out=folder):
            for _ in snapshot.rows:
                yield


def sklearn_steps() -> Contender:
    from sklearn.neural_network import MLPClassifier

    X, y = (t.numpy() for t in digits())

    def run(count: int) -> None:
        epochs = max(round(count / (len(X) / BATCH)), 1)
        MLPClassifier(
            (64, 64), solver="sgd", momentum=MOMENTUM, learning_rate_init=LR, batch_size=BATCH, alpha=0.0,
            max_iter=epochs, tol=0.0, n_iter_no_change=epochs + 1,
        ).fit(X, y)  # fmt: skip

    return run


def jax_scan() -> Contender:
    import jax
    import jax.numpy as jnp

    X, y = (jnp.asarray(t.numpy()) for t in digits())
    params = [jnp.asarray(p.detach().numpy().T) for p in network().parameters()]

    def loss(params, x, y):
        for k in (0, 2):
            x = jax.nn.relu(x @ params[k] + params[k + 1])
        logits = x @ params[4] + params[5]
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], 1).mean()

    def step(carry, index):
        params, velocity = carry
        value, grads = jax.value_and_grad(loss)(params, X[index], y[index])
        velocity = [MOMENTUM * v + g for v, g in zip(velocity, grads, strict=True)]
        return ([p - LR * v for p, v in zip(params, velocity, strict=True)], velocity), value

    scan = jax.jit(lambda carry, orders: jax.lax.scan(step, carry, orders))
    state = [(params, [jnp.zeros_like(p) for p in params])]
    rng = np.random.default_rng(0)

    def run(count: int) -> None:
        order = np.concatenate([rng.permutation(len(X)) for _ in range(count * BATCH // len(X) + 1)])
        state[0], losses = scan(state[0], jnp.asarray(order[: count * BATCH].reshape(count, BATCH)))
        losses.block_until_ready()

    return run


def keras_jax() -> Contender:
    import os

    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    X, y = (t.numpy() for t in digits())
    model = keras.Sequential([keras.layers.Dense(64, "relu"), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(LR, momentum=MOMENTUM), loss)

    def run(count: int) -> None:
        picks = np.resize(np.random.permutation(len(X)), count * BATCH)
        model.fit(X[picks], y[picks], batch_size=BATCH, epochs=1, verbose=0)

    return run


PEERS = {
    "scikit-learn, MLPClassifier.fit": ("sklearn", sklearn_steps),
    "JAX, lax.scan": ("jax", jax_scan),
    "Keras on JAX": ("keras", keras_jax),
}


def chosen_threads() -> int:
    """Return how many of the threads allowed thalweg takes for this network, by its own measurement."""
    recipe = Recipe(data=tw.open_source("digits"), model=tw.mlp(64, 64), batch_size=BATCH, device="cpu")
    return calibrate(make_job(recipe))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, torch.get_num_threads()])
    parser.add_argument("--no-peers", action="store_true")
    arguments = parser.parse_args()
    kept = {}
    for threads in dict.fromkeys(arguments.threads):
        torch.set_num_threads(threads)
        own = chosen_threads()
        torch.set_num_threads(threads)
        with tempfile.TemporaryDirectory() as folder:
            run = functools.partial(ours, Path(folder), threads=own)
            contenders = {
                "hand-written loop over tensors": forever(by_hand, threads=threads),
                "hand-written loop, DataLoader": forever(with_loader, threads=threads),
                "thalweg, recorded": forever(functools.partial(run, compile=False), threads=own),
                "thalweg --compile, recorded": forever(functools.partial(run, compile=True), threads=own),
                "thalweg, recorded and evaluated": forever(
                    functools.partial(run, compile=False, evaluate=True), threads=own
                ),
            }
            for name, (module, make) in ({} if arguments.no_peers else PEERS).items():
                if importlib.util.find_spec(module):
                    contenders[name] = make()
                else:
                    print(f"{name}: not installed, skipped (pip install 'thalweg[bench]')")
            timings = race(contenders, steps=1000, rounds=arguments.rounds)
            contenders.clear()  # ends our runs while their folders are still there
        print(
            table(
                f"\n{threads} thread(s), of which thalweg takes {own}", timings, base="hand-written loop over tensors"
            )
        )
        kept[f"{threads} threads"] = timings
    keep("train_small.json", kept)


if __name__ == "__main__":
    main()
