"""What changes while a network trains: its weights and buffers, what the rule remembers, the best so far, the count.

The weights of a network of up to `FLAT_LIMIT` numbers lie in one flat tensor, of which the module's parameters are
views: a rule then works on one tensor instead of many, which at this size is most of its cost.
"""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.core import UsageError
from thalweg.core.types import Params
from thalweg.rules import Rule
from thalweg.rules import State as Memory
from thalweg.train.stopping import Best

FLAT_LIMIT = 300_000
_FLAT = "flat"


@dataclasses.dataclass
class State:
    """Hold everything that a checkpoint must hold. `params` is what the rule sees; `module` shares its memory."""

    module: nn.Module
    trainable: Params
    params: Params
    memory: Memory
    step: int = 0
    best: Best = dataclasses.field(default_factory=Best)
    best_weights: Params | None = None

    def weights(self) -> Params:
        """Return the module's parameters and buffers, which go on changing."""
        return weights_of(self.module)

    def keep_best(self) -> None:
        """Copy the present weights as the best so far."""
        if self.best_weights is None:
            self.best_weights = {name: tensor.clone() for name, tensor in self.weights().items()}
        else:
            for name, tensor in self.weights().items():
                self.best_weights[name].copy_(tensor)

    def restore_best(self) -> bool:
        """Give the best weights back to the module; return whether there were any other than the present ones."""
        if self.best_weights is None or self.best.step == self.step:
            return False
        self.put_weights(self.best_weights)
        return True

    def put_weights(self, weights: Params) -> None:
        """Copy weights and buffers into the module, in place."""
        with torch.no_grad():
            for name, tensor in self.weights().items():
                tensor.copy_(weights[name])

    def named_memory(self) -> Memory:
        """Return what the rule remembers with one tensor a parameter, also where the weights lie flat."""
        if _FLAT not in self.params:
            return self.memory
        return {slot: self._split(content[_FLAT]) for slot, content in self.memory.items()}

    def put_memory(self, memory: Memory) -> None:
        """Take what `named_memory` returned."""
        for slot, content in memory.items():
            if _FLAT in self.params:
                flat = torch.cat([content[name].reshape(-1) for name in self.trainable])
                self.memory[slot] = {_FLAT: flat.to(self.params[_FLAT])}
            else:
                self.memory[slot] = {name: content[name].to(self.trainable[name]) for name in self.trainable}

    def _split(self, flat: Tensor) -> Params:
        sizes = [tensor.numel() for tensor in self.trainable.values()]
        parts = flat.split(sizes)
        return {name: part.view(self.trainable[name].shape) for name, part in zip(self.trainable, parts, strict=True)}


def weights_of(module: nn.Module) -> Params:
    """Return every parameter and buffer of a module once, also the buffers that its state_dict leaves out."""
    return {name: param.detach() for name, param in module.named_parameters()} | dict(module.named_buffers())


def begin(module: nn.Module, rule: Rule) -> State:
    """Lay a module's trainable weights out for training and give the rule an empty memory.

    Raises `UsageError` if nothing can be trained.
    """
    trainable = {name: param for name, param in module.named_parameters() if param.requires_grad}
    if not trainable:
        raise UsageError(
            f"{type(module).__name__} has no parameters that train; un-freeze some with requires_grad_(True)."
        )
    values: Params = {name: param.detach() for name, param in trainable.items()}
    kinds = {(value.dtype, value.device) for value in values.values()}
    if sum(value.numel() for value in values.values()) > FLAT_LIMIT or len(kinds) > 1:
        return State(module, values, values, rule.init(values))
    flat = torch.cat([value.reshape(-1) for value in values.values()])
    start = 0
    for name, param in trainable.items():
        part = flat[start : start + param.numel()].view(param.shape)
        param.data = part
        values[name] = part
        start += param.numel()
    params: dict[str, Any] = {_FLAT: flat}
    return State(module, values, params, rule.init(params))
