"""The order in which examples are met; a batch is nothing but a piece of it."""

from collections.abc import Iterator

import torch
from torch import Tensor

from thalweg.core.errors import law
from thalweg.core.random import generator


def epoch_order(num_examples: int, *, seed: int, epoch: int) -> Tensor:
    """Return the order of an epoch, (N,) int64: a permutation that depends on seed and epoch alone."""
    return torch.randperm(num_examples, generator=generator(seed, "order", epoch))


def batch_indices(num_examples: int, batch_size: int | None, *, seed: int, epoch: int) -> Iterator[Tensor]:
    """Yield the batches of an epoch as indices; None means one full batch. The last one may be smaller."""
    if batch_size is not None and batch_size < 1:
        raise law("batch_indices(batch_size=...)", "must be at least 1", batch_size, "None means the full batch.")
    order = epoch_order(num_examples, seed=seed, epoch=epoch)
    yield from order.split(batch_size or max(1, num_examples))
