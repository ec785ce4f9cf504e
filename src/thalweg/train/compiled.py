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
from thalweg.core.types import Params
from thalweg.train.replay import record_graph
from thalweg.train.state import State
from thalweg.train.step import Block, Stepper, Taken, Task, flat_gradient

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

    def take(self, block: Block, rates: Sequence[float]) -> Taken:
        state, slots, count = self.state, list(self.state.memory), len(block.sizes)
        state_now = [state.params["flat"], *(state.memory[slot]["flat"] for slot in slots)]
        moments = torch.tensor([list(rates), list(range(state.step, state.step + count))], dtype=torch.float64)
        arguments = [*state_now, moments, *self._buffers, block.x, block.y]
        graph = self._graphs[block.sizes] if block.sizes in self._graphs else self._compile(block.sizes, arguments)
        with torch.no_grad():
            flat, *memory, seen = graph(*arguments)
            state.params["flat"].copy_(flat)
        state.memory = {slot: {"flat": tensor} for slot, tensor in zip(slots, memory, strict=True)}
        state.step += count
        return [(loss, norm) for loss, norm in seen.tolist()]

    def _compile(self, sizes: tuple[int, ...], arguments: list[Tensor]) -> Callable[..., Any]:
        copies = [tensor.clone() for tensor in arguments]
        compiled = torch.compile(
            record_graph(_steps(self.state, self.task, sizes), copies),
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


def _steps(state: State, task: Task, sizes: tuple[int, ...]) -> Callable[..., Any]:
    """Return a step for each batch as one pure function of weights, memory, rates and counts, buffers, inputs,
    targets.
    """
    find = flat_gradient(state.module, task)
    shapes = [tensor.shape for tensor in state.trainable.values()]
    slots = list(state.memory)

    def function(*tensors: Tensor) -> Any:
        flat, *rest = tensors
        memory: dict[str, Params] = {slot: {"flat": rest[k]} for k, slot in enumerate(slots)}
        moments, *buffers, x, y = rest[len(slots) :]
        seen = []
        for k, batch in enumerate(zip(x.split(sizes), y.split(sizes), strict=True)):
            weights = [w.view(s) for w, s in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
            loss, grad, norm = find(*weights, *buffers, *batch)
            hyper: dict[str, float | Tensor] = {**task.rule.hyper(), "lr": moments[0, k]}
            change, memory = task.rule.update({"flat": grad}, memory, {"flat": flat}, hyper, moments[1, k])
            flat = flat + change["flat"]
            seen.append(torch.stack([loss, norm]))
        return (flat, *(memory[slot]["flat"] for slot in slots), torch.stack(seen))

    return function
