"""Several steps as one compiled graph.

The steps are recorded as for playing, the rule's update among them, and given to `torch.compile` as straight-line code:
element-wise work between two matrix products becomes one loop, and the cost of a call is shared by `STEPS` steps.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.core import UsageError
from thalweg.core.types import Params
from thalweg.train.replay import record_graph
from thalweg.train.state import State
from thalweg.train.step import Batch, Played, Stepper, Taken, Task, flat_gradient

STEPS = 10


class Compiled(Stepper):
    """Take `STEPS` equal steps by one compiled call; what is left over is played."""

    length = STEPS

    def __init__(self, state: State, task: Task) -> None:
        self.state, self.task = state, task
        self._rest = Played(state, task)
        self._graphs: dict[torch.Size, Callable[..., Any]] = {}
        self._weights = list(state.trainable.values())
        self._buffers = [buffer for _, buffer in state.module.named_buffers()]

    def take(self, batches: Sequence[Batch], rates: Sequence[float]) -> Taken:
        shapes = {x.shape for x, _ in batches}
        if len(batches) != STEPS or len(shapes) > 1:
            return self._rest.take(batches, rates)
        state, slots = self.state, list(self.state.memory)
        inputs = [x for x, _ in batches] + [y for _, y in batches]
        state_now = [state.params["flat"], *(state.memory[slot]["flat"] for slot in slots)]
        moments = torch.tensor([list(rates), list(range(state.step, state.step + STEPS))], dtype=torch.float64)
        shape = batches[0][0].shape
        graph = self._graphs[shape] if shape in self._graphs else self._compile(shape, inputs)
        with torch.no_grad():
            flat, *memory, seen = graph(*state_now, moments, *self._buffers, *inputs)
            state.params["flat"].copy_(flat)
        state.memory = {slot: {"flat": tensor} for slot, tensor in zip(slots, memory, strict=True)}
        state.step += STEPS
        return [(loss, norm) for loss, norm in seen.tolist()]

    def _compile(self, shape: torch.Size, inputs: list[Tensor]) -> Callable[..., Any]:
        state = self.state
        state_now = [state.params["flat"], *(content["flat"] for content in state.memory.values())]
        moments = torch.ones(2, STEPS, dtype=torch.float64)
        arguments = [t.clone() for t in (*state_now, moments, *self._buffers, *inputs)]
        graph = record_graph(_steps(state, self.task), arguments)
        compiled = torch.compile(graph, fullgraph=True, dynamic=False)
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")  # the compiler's remarks on our machine are not the user's business
                compiled(*[t.clone() for t in (*state_now, moments, *self._buffers, *inputs)])
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UsageError(f"This step could not be compiled ({reason}); install a C++ compiler or leave --compile out.") from error
        self._graphs[shape] = compiled
        return compiled


def _steps(state: State, task: Task) -> Callable[..., Any]:
    """Return `STEPS` steps as one pure function of weights, memory, rates, buffers and batches."""
    find = flat_gradient(state.module, task)
    shapes = [tensor.shape for tensor in state.trainable.values()]
    slots, num_buffers = list(state.memory), len(list(state.module.named_buffers()))

    def function(*tensors: Tensor) -> Any:
        flat, *rest = tensors
        memory: dict[str, Params] = {slot: {"flat": rest[k]} for k, slot in enumerate(slots)}
        moments, *rest = rest[len(slots) :]
        buffers, batches = rest[:num_buffers], rest[num_buffers:]
        seen = []
        for k in range(STEPS):
            weights = [w.view(s) for w, s in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
            loss, grad, norm = find(*weights, *buffers, batches[k], batches[k + STEPS])
            hyper = {**task.rule.hyper(), "lr": moments[0, k]}
            change, memory = task.rule.update({"flat": grad}, memory, {"flat": flat}, hyper, moments[1, k])
            flat = flat + change["flat"]
            seen.append(torch.stack([loss, norm]))
        return (flat, *(memory[slot]["flat"] for slot in slots), torch.stack(seen))

    return function
