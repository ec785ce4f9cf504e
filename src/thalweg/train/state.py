"""What changes while a network trains: its weights and buffers, what the rule remembers, the best so far, the count.

The weights of a network of up to `FLAT_LIMIT` numbers lie in one flat tensor, of which the module's parameters are
views: a rule then works on one tensor instead of many, which at this size is most of its cost.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.core import UsageError
from thalweg.core.types import Hyper, Params
from thalweg.rules import Fitted, Layout, Rule, Transformation, layout_flat
from thalweg.rules import State as Memory
from thalweg.train.regularising import fit_between
from thalweg.train.stopping import Best

FLAT_LIMIT = 300_000
_FLAT = "flat"


@dataclasses.dataclass
class State:
    """Hold everything that a checkpoint must hold. `params` is what the rule sees; `module` shares its memory.

    `fitted` is the rule, placed on these parameters. `seen` are the validation metrics so far, (step, value) each: what
    schedules that wait for a plateau go by.
    """

    module: nn.Module
    trainable: Params
    params: Params
    fitted: Fitted
    memory: Memory
    layout: Layout | None = None  # of the trainable parameters, one by one
    step: int = 0
    best: Best = dataclasses.field(default_factory=Best)
    best_weights: Params | None = None
    seen: dict[str, list[tuple[int, float]]] = dataclasses.field(default_factory=dict)

    @property
    def is_flat(self) -> bool:
        """Whether all trainable weights lie in one tensor."""
        return _FLAT in self.params

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
        if self.best_weights is None or self.best.step in (-1, self.step):
            return False
        self.put_weights(self.best_weights)
        return True

    def put_weights(self, weights: Params) -> None:
        """Copy weights and buffers into the module, in place."""
        with torch.no_grad():
            for name, tensor in self.weights().items():
                tensor.copy_(weights[name])

    def place(
        self, rule: Rule, layout: Layout, *, first: Sequence[Transformation], last: Sequence[Transformation]
    ) -> None:
        """Place the rule anew on the same parameters; what it remembers stays."""
        places = layout_flat(layout, self.trainable) if self.is_flat else layout
        self.fitted, self.layout = fit_between(rule, places, first=first, last=last), layout

    @contextlib.contextmanager
    def judged(self, hyper: Hyper | None = None) -> Iterator[None]:
        """Let the module have the weights that its rule wants to be judged by, an average say, for a while."""
        if not self.fitted.is_judged_elsewhere:
            yield
            return
        with torch.no_grad():
            training = {name: param.clone() for name, param in self.params.items()}
            better = self.fitted.evaluation(training, self.memory, hyper or self.fitted.rule.hyper())
            self._put(better)
        try:
            yield
        finally:
            self._put(training)

    def _put(self, params: Params) -> None:
        with torch.no_grad():
            for name, param in self.params.items():
                param.copy_(params[name])

    def named_memory(self) -> Memory:
        """Return what the rule remembers with one tensor a parameter, also where the weights lie flat."""
        return {
            slot: self._split(content[_FLAT]) if _FLAT in content else content for slot, content in self.memory.items()
        }

    def put_memory(self, memory: Memory) -> None:
        """Take what `named_memory` returned."""
        for slot, own in self.memory.items():
            content = memory[slot]
            if _FLAT in own:
                flat = torch.cat([content[name].reshape(-1) for name in self.trainable])
                self.memory[slot] = {_FLAT: flat.to(self.params[_FLAT])}
            else:
                self.memory[slot] = {name: content[name].to(tensor, copy=True) for name, tensor in own.items()}

    def remember(self, memory: Memory) -> None:
        """Take what the rule gave back, each tensor row by row: as a checkpoint has it, for its order decides how
        products round.
        """
        if not self.is_flat:
            memory = {slot: {name: t.contiguous() for name, t in content.items()} for slot, content in memory.items()}
        self.memory = memory

    def _split(self, flat: Tensor) -> Params:
        sizes = [tensor.numel() for tensor in self.trainable.values()]
        parts = flat.split(sizes)
        return {name: part.view(self.trainable[name].shape) for name, part in zip(self.trainable, parts, strict=True)}


def weights_of(module: nn.Module) -> Params:
    """Return every parameter and buffer of a module once, also the buffers that its state_dict leaves out."""
    return {name: param.detach() for name, param in module.named_parameters()} | dict(module.named_buffers())


def begin(
    module: nn.Module,
    rule: Rule,
    *,
    layout: Layout | None = None,
    first: Sequence[Transformation] = (),
    last: Sequence[Transformation] = (),
) -> State:
    """Lay a module's trainable weights out for training and give the rule an empty memory.

    `layout` tells each parameter's place; without one, roles go by shapes. `first` and `last` stand around the rule's
    chain: penalties, constraints. Raises `UsageError` if nothing can be trained.
    """
    trainable = {name: param for name, param in module.named_parameters() if param.requires_grad}
    if not trainable:
        raise UsageError(
            f"{type(module).__name__} has no parameters that train; un-freeze some with requires_grad_(True)."
        )
    values: Params = {name: param.detach() for name, param in trainable.items()}
    kinds = {(value.dtype, value.device) for value in values.values()}
    fitted = fit_between(rule, layout, first=first, last=last)
    if sum(value.numel() for value in values.values()) > FLAT_LIMIT or len(kinds) > 1 or not fitted.flat:
        return State(module, values, values, fitted, fitted.init(values), layout)
    flat = torch.cat([value.reshape(-1) for value in values.values()])
    start = 0
    for name, param in trainable.items():
        part = flat[start : start + param.numel()].view(param.shape)
        param.data = part
        values[name] = part
        start += param.numel()
    params: dict[str, Any] = {_FLAT: flat}
    if layout is not None:
        fitted = fit_between(rule, layout_flat(layout, values), first=first, last=last)
    return State(module, values, params, fitted, fitted.init(params), layout)
