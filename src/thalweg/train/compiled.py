"""Several steps as one compiled graph.

The steps are recorded as for playing, the rule's update among them, and given to `torch.compile` as straight-line code:
element-wise work between two matrix products becomes one loop, and the cost of a call is shared by all of its steps.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.core import UsageError
from thalweg.rules import State as Memory
from thalweg.train.replay import record_graph
from thalweg.train.state import State
from thalweg.train.step import Block, Moves, Stepper, Taken, Task, flat_gradient

LONGEST = 6  # steps to a call: compiling takes about a second for each, and more of them gain little
_OPTIONS: dict[str, Any] = {
    "cpp_wrapper": True,  # the calls between kernels in C++ too
    "max_autotune_gemm": True,  # with the one backend below this measures nothing and so is the same at every run
    "max_autotune_gemm_backends": "ATEN",
}


def block_length(num_batches: int) -> int:
    """Return how many steps one call takes: so few that compiling is short, so many that an epoch needs few calls."""
    return min(range(1, LONGEST + 1), key=lambda length: (math.ceil(num_batches / length), length))


class Compiled(Stepper):
    """Take `length` steps by one compiled call; what is left over of an epoch gets a graph of its own."""

    def __init__(self, state: State, task: Task, *, length: int) -> None:
        self.state, self.task, self.length = state, task, length
        self._graphs: dict[tuple[int, ...], Callable[..., Any]] = {}
        self._buffers = [buffer for _, buffer in state.module.named_buffers()]

    def take(self, block: Block, moves: Moves) -> Taken:
        state, count = self.state, len(block.sizes)
        names = [*moves[0], "step"]
        table = [[*move.values(), state.step + k] for k, move in enumerate(moves)]
        moments = torch.tensor(table, dtype=torch.float64)
        slots = [tensor for content in state.memory.values() for tensor in content.values()]
        arguments = [state.params["flat"], *slots, moments, *self._buffers, block.x, block.y]
        graph = self._graphs[block.sizes] if block.sizes in self._graphs else self._compile(block, names, arguments)
        with torch.no_grad():
            flat, *memory, seen = graph(*arguments)
            state.params["flat"].copy_(flat)
        state.memory = filled(state.memory, memory)
        state.step += count
        return [(loss, norm) for loss, norm in seen.tolist()]

    def _compile(self, block: Block, names: list[str], arguments: list[Tensor]) -> Callable[..., Any]:
        sizes = block.sizes
        copies = [tensor.clone() for tensor in arguments]
        compiled = torch.compile(
            record_graph(_steps(self.state, self.task, sizes=sizes, names=names), copies),
            fullgraph=True, dynamic=False, options=_OPTIONS,
        )  # fmt: skip
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")  # the compiler's remarks on our machine are not the user's business
                compiled(*copies)
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            cure = "install a C++ compiler or leave --compile out"
            raise UsageError(f"This step could not be compiled ({reason}); {cure}.") from error
        self._graphs[sizes] = compiled
        return compiled


def filled(memory: Memory, tensors: Sequence[Tensor]) -> Memory:
    """Return a memory of the same form that holds these tensors, in its own order."""
    rest = iter(tensors)
    return {slot: {name: next(rest) for name in content} for slot, content in memory.items()}


def _steps(state: State, task: Task, *, sizes: tuple[int, ...], names: list[str]) -> Callable[..., Any]:
    """Return a step for each batch as one pure function of weights, memory, what moves, buffers, inputs, targets."""
    find = flat_gradient(state.module, task)
    shapes = [tensor.shape for tensor in state.trainable.values()]
    form, fixed, fitted = state.memory, dict(task.hyper or task.rule.hyper()), state.fitted
    num_slots = sum(len(content) for content in form.values())

    def function(*tensors: Tensor) -> Any:
        flat, *rest = tensors
        memory = filled(form, rest[:num_slots])
        moments, *buffers, x, y = rest[num_slots:]
        seen = []
        for k, batch in enumerate(zip(x.split(sizes), y.split(sizes), strict=True)):
            weights = [w.view(s) for w, s in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
            loss, grad, norm = find(*weights, *buffers, *batch)
            moving = dict(zip(names, moments[k].unbind(), strict=True))
            step = moving.pop("step")
            change, memory = fitted.update({"flat": grad}, memory, {"flat": flat}, {**fixed, **moving}, step)
            flat = flat + change["flat"]
            seen.append(torch.stack([loss, norm]))
        return (flat, *(tensor for content in memory.values() for tensor in content.values()), torch.stack(seen))

    return function
