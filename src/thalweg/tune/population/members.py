"""What changes while many members train: weights, buffers, what the rule remembers. Members come first in every tensor.

Axis letters: P members, N weights of a member.
"""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from thalweg.core.types import Params
from thalweg.model import Dropout
from thalweg.rules import State as Memory
from thalweg.train.job import Job


@dataclasses.dataclass
class Members:
    """Hold the state of P members. `params` is what the rule sees: one flat (P, N), or one tensor a parameter."""

    params: Params
    buffers: Params
    memory: Memory
    hyper: dict[str, Tensor]
    """Each hyperparameter as (P,) float64."""

    def __len__(self) -> int:
        return len(next(iter(self.params.values())))

    def pick(self, index: Tensor) -> "Members":
        """Return the members that `index` names, in its order, in memory of their own."""
        return Members(
            _pick(self.params, index), _pick(self.buffers, index),
            {slot: _pick(content, index) for slot, content in self.memory.items()}, _pick(self.hyper, index),
        )  # fmt: skip


def gather(jobs: Sequence[Job]) -> Members:
    """Return the present states of jobs of one shape as one."""
    memories = [job.state.memory for job in jobs]
    return Members(
        params=_stack([job.state.params for job in jobs]),
        buffers=_stack([dict(job.state.module.named_buffers()) for job in jobs]) | _shares(jobs),
        memory={slot: _stack([memory[slot] for memory in memories]) for slot in memories[0]},
        hyper={
            name: torch.tensor([job.recipe.hyper()[name] for job in jobs], dtype=torch.float64)
            for name in jobs[0].recipe.hyper()
        },
    )


def _shares(jobs: Sequence[Job]) -> Params:
    """Return the share that each layer of dropout silences, (P,), where members differ in it."""
    found = {}
    for path, layer in jobs[0].state.module.named_modules():
        if isinstance(layer, Dropout):
            shares = [job.state.module.get_submodule(path).p for job in jobs]
            if len(set(shares)) > 1:
                found[f"{path}.share"] = torch.tensor(shares, dtype=torch.float64)
    return found


def _stack(each: Sequence[Params]) -> Params:
    return {name: torch.stack([one[name].detach() for one in each]) for name in each[0]}


def _pick(named: Params, index: Tensor) -> Params:
    return {name: tensor[index] for name, tensor in named.items()}
