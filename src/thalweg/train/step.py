"""Taking steps: the gradient of a batch, the rule, the new weights; in the way that is fastest for the network.

Played: our own small networks, as a recorded step (see replay.py). Direct: any module, through autograd; large networks
with torch's fused kernels. Compiled: several steps as one compiled graph, when asked for. All take the same steps; the
choice depends on the recipe and the network alone, never on the clock, so that a run repeats bit for bit.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from thalweg.core.types import Params
from thalweg.model import Loss
from thalweg.rules import Rule, Transformation, follow, fused
from thalweg.train.gradient import gradient
from thalweg.train.replay import record
from thalweg.train.state import State

Taken: TypeAlias = list[tuple[float, float]]
"""Loss and gradient norm of each step that was taken."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Say what a step does, apart from the weights it does it to."""

    loss: Loss
    rule: Rule
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
    """Take one step for each batch of a block, with the rates given; change the state in place."""

    length: int = 1  # how many batches make a block

    @abstractmethod
    def take(self, block: Block, rates: Sequence[float]) -> Taken: ...


class Direct(Stepper):
    """Step through autograd."""

    def __init__(self, state: State, task: Task) -> None:
        self.state, self.task = state, task
        self._weights = [state.module.get_parameter(name) for name in state.trainable]
        self._flat = "flat" in state.params
        self._fused = None if self._flat else fused(task.rule, state.params)
        self._hyper, self._chain = task.rule.hyper(), task.rule.chain()

    def take(self, block: Block, rates: Sequence[float]) -> Taken:
        state, task = self.state, self.task
        state.module.train()
        x, y, _ = block
        loss, grads = gradient(state.module, task.loss, self._weights, (x, y), windows=task.windows, bf16=task.bf16)
        with torch.inference_mode():
            hyper = {**self._hyper, "lr": rates[0]}
            if self._fused is not None:
                norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
                self._fused(list(state.params.values()), grads, state.memory, hyper, state.step)
            else:
                named = dict(zip(state.trainable, grads, strict=True))
                flat = torch.cat([g.reshape(-1) for g in grads]) if self._flat else None
                norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)) if flat is None else flat)
                apply(self._chain, state, named if flat is None else {"flat": flat}, hyper)
        state.step += 1
        return [(float(loss), float(norm))]


class Played(Stepper):
    """Step by playing a recording of autograd's operations; one recording for each shape of batch."""

    def __init__(self, state: State, task: Task) -> None:
        self.state, self.task = state, task
        self._recordings: dict[torch.Size, Callable[..., tuple[Tensor, Tensor, Tensor]]] = {}
        self._weights = list(state.trainable.values())
        self._buffers = [buffer for _, buffer in state.module.named_buffers()]
        self._hyper, self._chain = task.rule.hyper(), task.rule.chain()

    def take(self, block: Block, rates: Sequence[float]) -> Taken:
        x, y, _ = block
        play = self._recordings.get(x.shape) or self._record(x, y)
        with torch.inference_mode():
            loss, grad, norm = play(x, y)
            self._hyper["lr"] = rates[0]
            apply(self._chain, self.state, {"flat": grad}, self._hyper)
        self.state.step += 1
        return [(loss.item(), norm.item())]

    def _record(self, x: Tensor, y: Tensor) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
        function = flat_gradient(self.state.module, self.task)
        self._recordings[x.shape] = play = record(function, [x, y], fixed=[*self._weights, *self._buffers])
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


def apply(chain: tuple[Transformation, ...], state: State, grads: Params, hyper: dict[str, float]) -> None:
    """Let a rule's chain change the weights in place."""
    change, state.memory = follow(chain, grads, state.memory, state.params, hyper, state.step)
    for name, param in state.params.items():
        param.add_(change[name])
