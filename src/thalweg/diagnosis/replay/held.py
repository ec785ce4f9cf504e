"""Lends a case's weights to experiments and puts all back: weights, buffers, gradients, modes, random state."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.diagnosis.watching import Case


class Held:
    """Stand for the state of a case as it was when it was lent; `to_start` sets it to the state before training."""

    def __init__(self, case: Case) -> None:
        self._case = case
        found: dict[int, Tensor] = {id(tensor): tensor for tensor, _ in case.start}
        for root in case.roots:
            found.update({id(t): t for t in (*root.module.parameters(), *root.module.buffers())})
        for course in case.courses:
            if course.optimizer is not None:
                found.update({id(p): p for group in course.optimizer.param_groups for p in group["params"]})
        self._tensors = [(t, t.detach().clone(), t.grad, t.requires_grad) for t in found.values() if t.is_leaf]
        for tensor, *_ in self._tensors:
            tensor.grad = None  # a backward pass would add to what lies there
        self._modes = [(m, m.training) for root in case.roots for m in root.module.modules()]

    @torch.no_grad()
    def to_start(self) -> None:
        """Set weights and buffers to what they were before the first step."""
        for tensor, copy in self._case.start:
            tensor.copy_(copy)

    @torch.no_grad()
    def to_end(self) -> None:
        """Set weights, buffers, gradients and modes to what they were when they were lent."""
        for tensor, copy, grad, learns in self._tensors:
            tensor.copy_(copy)
            tensor.grad = grad
            tensor.requires_grad = learns
        for module, training in self._modes:
            module.training = training

    @property
    def has_start(self) -> bool:
        return bool(self._case.start)


@contextlib.contextmanager
def held(case: Case, *, seed: int = 0) -> Iterator[Held]:
    """Lend a case's state for the block, with a random stream of its own; afterwards all is as before."""
    lent = Held(case)
    streams = _random_states()
    torch.manual_seed(seed)
    try:
        yield lent
    finally:
        lent.to_end()
        _restore(streams)


def _random_states() -> tuple[Any, ...]:
    accelerator = torch.cuda.get_rng_state_all() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    return torch.get_rng_state(), np.random.get_state(), random.getstate(), accelerator


def _restore(streams: tuple[Any, ...]) -> None:
    torch.set_rng_state(streams[0])
    np.random.set_state(streams[1])
    random.setstate(streams[2])
    if streams[3] is not None:
        torch.cuda.set_rng_state_all(streams[3])
