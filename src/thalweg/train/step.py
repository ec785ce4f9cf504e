"""Taking steps: the gradient of a batch, the rule, the new weights; in the way that is fastest for the network.

Played: our own small networks, as a recorded step (see replay.py). Direct: any module, through autograd; large networks
with torch's fused kernels. Compiled: several steps as one compiled graph, when asked for. All take the same steps; the
choice depends on the recipe and the network alone, never on the clock, so that a run repeats bit for bit.
"""

import contextlib
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from thalweg.core.random import undisturbed
from thalweg.core.types import Params
from thalweg.model import Loss
from thalweg.rules import Rule, hessian
from thalweg.train.fused import fused_step
from thalweg.train.gradient import gradient
from thalweg.train.replay import record
from thalweg.train.state import State

Taken: TypeAlias = list[tuple[float, float]]
"""Loss and gradient norm of each step that was taken."""
Moves: TypeAlias = Sequence[Mapping[str, float]]
"""For each step the hyperparameters that move with time: the rate, and whatever else has a schedule."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Say what a step does, apart from the weights it does it to."""

    loss: Loss
    rule: Rule
    hyper: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """The rule's numbers and those of penalties; empty for the rule's alone."""
    windows: int = 1
    bf16: bool = False


class Block(NamedTuple):
    """Hold the examples of some batches, one after the other; batch k has `sizes[k]` of them."""

    x: Tensor
    y: Tensor
    sizes: tuple[int, ...]

    def last(self) -> tuple[Tensor, Tensor]:
        """Return the last batch."""
        return self.x[-self.sizes[-1] :], self.y[-self.sizes[-1] :]


class Stepper(ABC):
    """Take one step for each batch of a block, with the hyperparameters given; change the state in place."""

    length: int = 1  # how many batches make a block

    @abstractmethod
    def take(self, block: Block, moves: Moves) -> Taken: ...


Found: TypeAlias = tuple[Tensor, Params, Tensor]
"""Loss, shape (); gradients as the rule sees them; their norm, shape ()."""


class Stepwise(Stepper):
    """Take one step at a time: the gradient, a second one or the Hessian where the rule asks for it, the rule."""

    def __init__(self, state: State, task: Task) -> None:
        self.state, self.task = state, task
        self._hyper = dict(task.hyper or task.rule.hyper())
        self.refit()

    def refit(self) -> None:
        """Take in that the rule was placed anew: other parameters train."""
        self._fused = fused_step(self.state)
        self._asks_twice = self.state.fitted.asks_twice
        self._needs_hessian = self.state.fitted.needs_hessian

    def take(self, block: Block, moves: Moves) -> Taken:
        state, hyper = self.state, self._hyper
        hyper.update(moves[0])
        x, y, _ = block
        if self._asks_twice or self._needs_hessian:
            loss, grads, norm = self._find_more(x, y)
        else:
            loss, grads, norm = self.find(x, y)
        with torch.inference_mode():
            if self._fused is not None:
                self._fused(grads, state.memory, hyper, state.step)
            else:
                change, memory = state.fitted.update(grads, state.memory, state.params, hyper, state.step)
                state.remember(memory)
                for name, param in state.params.items():
                    param.add_(change[name])
        state.memory.pop("hessian", None)
        state.step += 1
        return [(loss.item(), norm.item())]

    @abstractmethod
    def find(self, x: Tensor, y: Tensor) -> Found:
        """Return loss, gradient and its norm at the present weights."""

    def _find_more(self, x: Tensor, y: Tensor) -> Found:
        """Find also what else the rule asks for, with the same dropout and the same draws of a user's module."""
        before = [buffer.clone() for buffer in self.state.module.buffers()]
        with undisturbed():
            loss, grads, norm = self.find(x, y)
        if self._asks_twice:
            with undisturbed() if self._needs_hessian else contextlib.nullcontext():
                grads = self._elsewhere(grads, before, x, y)
        if self._needs_hessian:
            self.state.memory = {**self.state.memory, "hessian": {"all": self._hessian(before, x, y)}}
        return loss, grads, norm

    def _elsewhere(self, grads: Params, before: list[Tensor], x: Tensor, y: Tensor) -> Params:
        """Return the gradient at the second point; weights and buffers come back to the bit."""
        state = self.state
        with torch.inference_mode():
            offset = state.fitted.offset(grads, state.params, self._hyper) or {}
        here = {name: param.clone() for name, param in state.params.items()}
        after = [buffer.clone() for buffer in state.module.buffers()]
        with torch.no_grad():
            for name, param in state.params.items():
                param.add_(offset[name])
            _fill(state.module, before)
        _, grads, _ = self.find(x, y)
        with torch.no_grad():
            for name, param in state.params.items():
                param.copy_(here[name])
            _fill(state.module, after)
        return grads

    def _hessian(self, before: list[Tensor], x: Tensor, y: Tensor) -> Tensor:
        state, task = self.state, self.task
        buffers = dict(zip([name for name, _ in state.module.named_buffers()], before, strict=True))

        def find(params: Params) -> tuple[Tensor, Params]:
            outputs = torch.func.functional_call(state.module, {**params, **buffers}, (x,))
            loss = task.loss.total(outputs, y)
            return loss, dict(
                zip(params, torch.autograd.grad(loss, list(params.values()), create_graph=True), strict=True)
            )

        return hessian(find, {name: param.detach() for name, param in state.trainable.items()})


def _fill(module: nn.Module, values: list[Tensor]) -> None:
    for buffer, value in zip(module.buffers(), values, strict=True):
        buffer.copy_(value)


def _norm(grads: list[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    return norm


class Direct(Stepwise):
    """Find the gradient through autograd."""

    def find(self, x: Tensor, y: Tensor) -> Found:
        state, task = self.state, self.task
        state.module.train()
        weights = [state.module.get_parameter(name) for name in state.trainable]
        loss, grads = gradient(state.module, task.loss, weights, (x, y), windows=task.windows, bf16=task.bf16)
        with torch.inference_mode():
            if state.is_flat:
                flat = torch.cat([grad.reshape(-1) for grad in grads])
                return loss, {"flat": flat}, torch.linalg.vector_norm(flat)
            return loss, dict(zip(state.trainable, grads, strict=True)), _norm(grads)


class Played(Stepwise):
    """Find the gradient by playing a recording of autograd's operations; one recording for each shape of batch."""

    def __init__(self, state: State, task: Task) -> None:
        Stepwise.__init__(self, state, task)
        self._recordings: dict[tuple[torch.Size, torch.Size], Callable[..., tuple[Tensor, Tensor, Tensor]]] = {}
        self._weights = list(state.trainable.values())
        self._buffers = [buffer for _, buffer in state.module.named_buffers()]

    def find(self, x: Tensor, y: Tensor) -> Found:
        play = self._recordings.get((x.shape, y.shape)) or self._record(x, y)
        with torch.inference_mode():
            loss, flat, norm = play(x, y)
            if self.state.is_flat:
                return loss, {"flat": flat}, norm
            parts = flat.split([weight.numel() for weight in self._weights])
            grads = [part.view_as(weight) for part, weight in zip(parts, self._weights, strict=True)]
            return loss, dict(zip(self.state.trainable, grads, strict=True)), _norm(grads)

    def _record(self, x: Tensor, y: Tensor) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
        function = flat_gradient(self.state.module, self.task)
        play = record(function, [x, y], fixed=[*self._weights, *self._buffers])
        self._recordings[x.shape, y.shape] = play
        return play


def flat_gradient(module: nn.Module, task: Task) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
    """Return a pure function (*weights, *buffers, x, y) -> (loss, flat gradient, its norm) of a module in training."""
    names = [name for name, param in module.named_parameters() if param.requires_grad]
    buffer_names = [name for name, _ in module.named_buffers()]

    def function(*tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        *rest, x, y = tensors
        weights = [w.detach().requires_grad_() for w in rest[: len(names)]]
        values = dict(zip(names, weights, strict=True)) | dict(zip(buffer_names, rest[len(names) :], strict=True))
        module.train()
        bound = _Bound(module, values)
        loss, grads = gradient(bound, task.loss, weights, (x, y), windows=task.windows, bf16=task.bf16)  # type: ignore[arg-type]
        flat = torch.cat([g.reshape(-1) for g in grads])
        return loss, flat, torch.linalg.vector_norm(flat)

    return function


@dataclasses.dataclass(frozen=True)
class _Bound:
    """A module called with weights and buffers from outside."""

    module: nn.Module
    values: Params

    def __call__(self, x: Tensor) -> Tensor:
        outputs: Tensor = torch.func.functional_call(self.module, self.values, (x,))
        return outputs
