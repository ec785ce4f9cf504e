"""One step of all members at once: vmap over the network, its loss and the rule, recorded as a single run's step is.

Losses are summed over members, never averaged: each member's gradient is that of its own loss. The same rule, network
and loss as in a single run are called; here is the one place where members become an axis.
Axis letters: P members, B batch, N weights of a member.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from thalweg.core.types import Params
from thalweg.rules import State as Memory
from thalweg.train.job import Job
from thalweg.train.replay import record
from thalweg.tune.population.members import Members


class Step:
    """Take steps with members of one shape; one recording for each number of members and shape of batch.

    `job` is any of them: what it says of network, loss and rule holds for all.
    """

    def __init__(self, job: Job) -> None:
        self._module, self._loss, self._fitted = job.state.module, job.loss, job.state.fitted
        self._shapes = {name: tensor.shape for name, tensor in job.state.trainable.items()}
        self._is_flat = job.state.is_flat
        self._recordings: dict[Any, Callable[..., Any]] = {}

    def take(self, members: Members, x: Tensor, y: Tensor, *, step: int, shared: bool) -> tuple[Tensor, Tensor]:
        """Change the members in place by one step; return the loss and the gradient norm of each, (P,).

        `x` and `y` are (B, ...) of one batch that all members share, else (P, B, ...).
        """
        form = _Form(members)
        count = torch.tensor(float(step), dtype=torch.float64)
        arguments = [*form.flatten(members), count, x, y]
        key = (len(members), x.shape, y.shape, shared)
        if key not in self._recordings:
            self._recordings[key] = record(self._function(form, shared), arguments)
        with torch.inference_mode():
            losses, norms, *changed = self._recordings[key](*arguments)
        members.params, members.memory = form.unflatten(changed)
        return losses, norms

    def views(self, params: Params) -> Params:
        """Return each trainable weight as (P, ...), sharing the memory of what the rule sees."""
        if not self._is_flat:
            return params
        flat = params["flat"]
        parts = flat.split([shape.numel() for shape in self._shapes.values()], dim=1)
        return {
            name: part.view(len(flat), *shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }

    def _function(self, form: "_Form", shared: bool) -> Callable[..., Any]:
        batch = None if shared else 0

        def one(weights: Params, buffers: Params, x: Tensor, y: Tensor) -> Tensor:
            outputs = torch.func.functional_call(self._module, {**weights, **buffers}, (x,))
            return self._loss.total(outputs, y)

        def function(*tensors: Tensor) -> Any:
            *rest, count, x, y = tensors
            params, memory, buffers, hyper = form.parts(rest)
            self._module.train()
            weights = {name: w.detach().requires_grad_() for name, w in self.views(params).items()}
            losses = torch.func.vmap(one, in_dims=(0, 0, batch, batch))(weights, buffers, x, y)
            found = torch.autograd.grad(losses.sum(), list(weights.values()), materialize_grads=True)
            flat = torch.cat([grad.reshape(len(grad), -1) for grad in found], dim=1)
            norms = torch.linalg.vector_norm(flat, dim=1)
            grads = {"flat": flat} if self._is_flat else dict(zip(weights, found, strict=True))
            held = {name: param.detach() for name, param in params.items()}
            change, after = torch.func.vmap(self._fitted.update, in_dims=(0, 0, 0, 0, None))(
                grads, memory, held, hyper, count
            )
            moved = {name: param + change[name] for name, param in held.items()}
            return (losses.detach(), norms, *moved.values(), *form.ordered(after))

        return function


class _Form:
    """Know the names of a population's tensors, so that they can be handed over as a list."""

    def __init__(self, members: Members) -> None:
        self._params, self._buffers, self._hyper = list(members.params), list(members.buffers), list(members.hyper)
        self._slots = [(slot, name) for slot, content in members.memory.items() for name in content]

    def flatten(self, members: Members) -> list[Tensor]:
        memory = [members.memory[slot][name] for slot, name in self._slots]
        return [*members.params.values(), *memory, *members.buffers.values(), *members.hyper.values()]

    def parts(self, tensors: list[Tensor]) -> tuple[Params, Memory, Params, Params]:
        params, memory = self.unflatten(tensors[: len(self._params) + len(self._slots)])
        rest = tensors[len(self._params) + len(self._slots) :]
        buffers = dict(zip(self._buffers, rest, strict=False))
        hyper = dict(zip(self._hyper, rest[len(self._buffers) :], strict=True))
        return params, memory, buffers, hyper

    def unflatten(self, tensors: list[Tensor]) -> tuple[Params, Memory]:
        params = dict(zip(self._params, tensors, strict=False))
        memory: Memory = {slot: {} for slot, _ in self._slots}
        for (slot, name), tensor in zip(self._slots, tensors[len(self._params) :], strict=True):
            memory[slot][name] = tensor
        return params, memory

    def ordered(self, memory: Memory) -> list[Tensor]:
        return [memory[slot][name] for slot, name in self._slots]
