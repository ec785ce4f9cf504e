"""The seed and the number of threads of a fit."""

import numbers
import secrets

import numpy as np
import torch

from thalweg.core import law
from thalweg.train import Job, calibrate, describe

# Multiplications a step, a few milliseconds on one thread: below it a second thread only costs.
_WORTH_MEASURING = 1 << 26
_chosen: dict[tuple[object, ...], int] = {}  # measured once a process, so that equal fits take equal steps


def choose_seed(random_state: object) -> int:
    """Return the seed of a fit: the whole number itself, a draw from a RandomState, or for None a fresh one.

    None does not touch numpy's global generator.
    """
    if random_state is None:
        return secrets.randbits(31)
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, numbers.Integral) and not isinstance(random_state, bool):
        return int(random_state)
    cure = "Give a whole number to repeat a fit."
    raise law("random_state=...", "must be a whole number, a numpy RandomState or None", random_state, cure)


def set_threads(job: Job, asked: int | None) -> int:
    """Set and return the number of threads for a fit: as asked for, one for small work, else as measured."""
    most = torch.get_num_threads()
    if job.device.type != "cpu" and asked is None:
        return most
    threads = asked or (1 if _work(job) < _WORTH_MEASURING else _measured(job, most))
    torch.set_num_threads(threads)
    return threads


def _measured(job: Job, most: int) -> int:
    recipe, shape = job.recipe, job.data.preparation.input_shape
    kind = describe(recipe.model) if recipe.model else ""
    case = (kind, shape, recipe.batch_size, recipe.windows, recipe.precision, recipe.compile, most)
    if case not in _chosen:
        _chosen[case], _ = calibrate(job)
    return _chosen[case]


def _work(job: Job) -> int:
    """Estimate the multiplications of a forward pass from above: each weight at each pixel or position."""
    shape = job.data.preparation.input_shape
    places = int(np.prod(shape[1:])) if len(shape) == 3 else shape[0] if len(shape) == 2 else 1
    weights = sum(weight.numel() for weight in job.state.trainable.values())
    return weights * places * (job.recipe.batch_size or 1)
