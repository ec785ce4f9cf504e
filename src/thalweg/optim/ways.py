"""Ways to take the same step: torch's kernels, pieces that fit the cache, or the chain as it stands.

All change parameters and what is remembered in place of the optimizer's `state`. The first that can do a rule is taken:
a kernel reads and writes memory once; a chain of element-wise operations runs on small parameters laid end to end, and
on large ones piece by piece, so that what lies between two operations stays in the cache; the plain way does all.
"""

import dataclasses
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules import (
    Count,
    Layout,
    Placed,
    Rule,
    State,
    Transformation,
    fit,
    follow,
    fused,
    layout_flat,
)

Chain: TypeAlias = tuple[Transformation, ...]
PIECE = 131_072
"""Numbers in a piece, for each thread of a CPU: large enough to pay for the calls, small enough for the cache."""


@dataclasses.dataclass
class Part:
    """Hold parameters that are updated alike: of one group, with one count. `states` are those of the optimizer.

    `numbers` are those of its rule that belong to no single tensor: each parameter has its own, here they are equal.
    """

    group: dict[str, Any]
    names: list[str]
    params: list[Tensor]
    states: list[dict[str, Any]]
    step: Tensor
    numbers: State
    count: int = 0

    def memory(self, slots: Iterator[str] | set[str]) -> State:
        """Return what the optimizer remembers of these parameters in some slots."""
        found: State = {slot: self.numbers[slot] for slot in slots if slot in self.numbers}
        pairs = list(zip(self.names, self.states, strict=True))
        tensors = {slot: {n: state[slot] for n, state in pairs if slot in state} for slot in slots}
        return {**{slot: content for slot, content in tensors.items() if slot not in found}, **found}


class Way(ABC):
    """Take a step of a part's parameters: change them, and what is remembered."""

    @abstractmethod
    def advance(self, grads: list[Tensor], hyper: Hyper, count: Count) -> None: ...


class Plain(Way):
    """Follow the chain on each parameter, in any number of stages. `in_place` keeps the addresses of what it writes."""

    def __init__(self, part: Part, chain: Chain, slots: set[str], *, in_place: bool) -> None:
        self.part, self.chain, self.in_place = part, chain, in_place
        self.memory = part.memory(slots)

    def follow(self, updates: Params, hyper: Hyper, count: Count, extra: State | None = None) -> Params:
        """Return the updates after the chain, and keep what it wants remembered."""
        params = dict(zip(self.part.names, self.part.params, strict=True))
        updates, memory = follow(self.chain, updates, {**self.memory, **(extra or {})}, params, hyper, count)
        for slot, content in memory.items():
            if slot in self.memory and content is not self.memory[slot]:
                self._keep(slot, content)
        return updates

    def _keep(self, slot: str, content: Params) -> None:
        old = self.memory[slot]
        if slot in self.part.numbers:
            for name, tensor in old.items():
                tensor.copy_(content[name])
        elif self.in_place:
            torch._foreach_copy_(list(old.values()), [content[name] for name in old])
        else:
            for name, state in zip(self.part.names, self.part.states, strict=True):
                if name in old:
                    old[name] = state[slot] = content[name]

    def advance(self, grads: list[Tensor], hyper: Hyper, count: Count) -> None:
        change = self.follow(dict(zip(self.part.names, grads, strict=True)), hyper, count)
        torch._foreach_add_(self.part.params, [change[name] for name in self.part.names])


class Kernel(Way):
    """Call torch's kernel, once for all parameters with the same shares of rate and decay."""

    def __init__(self, part: Part, lanes: list["_KernelLane"]) -> None:
        self.part, self.lanes = part, lanes

    def advance(self, grads: list[Tensor], hyper: Hyper, count: Count) -> None:
        assert isinstance(count, int)
        if not all(map(Tensor.is_contiguous, grads)):
            grads = [grad.contiguous() for grad in grads]
        for lane in self.lanes:
            own: dict[str, Any] = dict(hyper)
            if lane.shares != (1.0, 1.0):
                own["lr"] *= lane.shares[0]
                own["weight_decay"] *= lane.shares[1]
            lane.call(lane.params, [grads[k] for k in lane.places], lane.memory, own, count)


@dataclasses.dataclass
class _KernelLane:
    call: Callable[[list[Tensor], list[Tensor], State, dict[str, float], int], None]
    shares: tuple[float, float]
    places: list[int]
    params: list[Tensor]
    memory: State


def kernel(part: Part, rule: Rule, slots: set[str], layout: Layout) -> Kernel | None:
    """Return the way by torch's kernels, or None where the rule, the device or a parameter's form has none."""
    if part.group["capturable"] or not _contiguous(part.params):
        return None
    for state, slot in itertools.product(part.states, slots):
        if slot in state:
            state[slot] = state[slot].contiguous()
    lanes = []
    for key, places in _alike(part, layout).items():
        params = {part.names[k]: part.params[k] for k in places}
        call = fused(rule, params)
        if call is None:
            return None
        memory = {
            slot: {name: tensor for name, tensor in content.items() if name in params}
            for slot, content in part.memory(slots).items()
        }
        lanes.append(_KernelLane(call, key[:2], places, list(params.values()), memory))
    return Kernel(part, lanes)


class Pieces(Way):
    """Follow an element-wise chain on small parameters laid end to end, and on large ones piece by piece."""

    def __init__(self, part: Part, lanes: list["_Lane"]) -> None:
        self.part, self.lanes = part, lanes

    def advance(self, grads: list[Tensor], hyper: Hyper, count: Count) -> None:
        numbers: State = {}
        for lane in self.lanes:
            numbers = lane.advance(grads, hyper, count, self.part.numbers)
        for slot, own in self.part.numbers.items():
            if slot in numbers and numbers[slot] is not own:
                for name, tensor in own.items():
                    tensor.copy_(numbers[slot][name])


@dataclasses.dataclass
class _Lane:
    """Hold small parameters that lie end to end, or one that is large. What is remembered lies as they do."""

    chain: Chain
    places: list[int]
    params: list[Tensor]
    pieces: list[State]
    size: int

    def advance(self, grads: list[Tensor], hyper: Hyper, count: Count, numbers: State) -> State:
        """Change parameters and memory; return the numbers of the whole, which are the same for each piece."""
        if len(self.params) == 1:
            flat_grad, flat = grads[self.places[0]].reshape(-1), self.params[0].view(-1)
        else:
            flat_grad = torch._utils._flatten_dense_tensors([grads[k] for k in self.places])
            flat = torch._utils._flatten_dense_tensors(self.params)
        if len(self.pieces) == 1:
            change, found = self._one(flat_grad, flat, self.pieces[0], hyper, count, numbers)
            if len(self.params) == 1:
                flat.add_(change)
            else:
                torch._foreach_add_(self.params, torch._utils._unflatten_dense_tensors(change, self.params))
            return found
        parts = zip(flat_grad.split(self.size), flat.split(self.size), self.pieces, strict=True)
        for grad, param, memory in parts:
            change, found = self._one(grad, param, memory, hyper, count, numbers)
            param.add_(change)
        return found

    def _one(
        self, grad: Tensor, param: Tensor, memory: State, hyper: Hyper, count: Count, numbers: State
    ) -> tuple[Tensor, State]:
        change, found = follow(self.chain, {"x": grad}, {**memory, **numbers}, {"x": param}, hyper, count)
        for slot, content in memory.items():
            if found[slot] is not content:
                content["x"].copy_(found[slot]["x"])
        return change["x"], found


def pieces(part: Part, chain: Chain, slots: set[str], layout: Layout) -> Pieces | None:
    """Return the way by pieces for a chain, not placed yet, that splits; None where a parameter lies scattered."""
    if part.group["capturable"] or not _contiguous(part.params):
        return None
    lanes = []
    for places, size in _packed(part, layout):
        params = {part.names[k]: part.params[k] for k in places}
        own = layout_flat({name: layout[name] for name in params}, params, "x")
        placed = tuple(t.place(own) if isinstance(t, Placed) else t for t in chain)
        memory = _end_to_end(part, places, sorted(slots - part.numbers.keys()), size)
        lanes.append(_Lane(placed, places, list(params.values()), memory, size))
    return Pieces(part, lanes)


def _packed(part: Part, layout: Layout) -> Iterator[tuple[list[int], int]]:
    """Yield the places of parameters that make a lane, all small or one large, and the size of its pieces."""
    for places in _alike(part, layout).values():
        on_cpu = part.params[places[0]].device.type == "cpu"
        size = PIECE * torch.get_num_threads() if on_cpu else 2**20
        lane: list[int] = []
        room = size
        for k in places:
            count = part.params[k].numel()
            if count > size:
                yield [k], size if on_cpu else count
                continue
            if count > room:
                yield lane, size
                lane, room = [], size
            lane.append(k)
            room -= count
        if lane:
            yield lane, size


def _end_to_end(part: Part, places: list[int], slots: list[str], size: int) -> list[State]:
    """Lay the memory of some parameters end to end, let the optimizer's state be views of it, return its pieces."""
    flat: dict[str, tuple[Tensor, ...]] = {}
    for slot in slots:
        tensors = [part.states[k][slot] for k in places]
        if len(tensors) == 1:
            part.states[places[0]][slot] = tensors[0] = tensors[0].contiguous()
            whole = tensors[0].view(-1)
        else:
            whole = torch._utils._flatten_dense_tensors(tensors)
            for k, view in zip(places, torch._utils._unflatten_dense_tensors(whole, tensors), strict=True):
                part.states[k][slot] = view
        flat[slot] = whole.split(size)
    total = sum(part.params[k].numel() for k in places)
    return [{slot: {"x": parts[k]} for slot, parts in flat.items()} for k in range(max(-(-total // size), 1))]


def _alike(part: Part, layout: Layout) -> dict[tuple[Any, ...], list[int]]:
    """Return the places of parameters with the same shares of rate and decay, precision and device."""
    found: dict[tuple[Any, ...], list[int]] = {}
    for k, (name, param) in enumerate(zip(part.names, part.params, strict=True)):
        key = (layout[name].lr, layout[name].weight_decay, param.dtype, param.device)
        found.setdefault(key, []).append(k)
    return found


def _contiguous(params: list[Tensor]) -> bool:
    return all(param.is_contiguous() for param in params)


def kernel_rule(rule: Rule, layout: Layout) -> Rule | None:
    """Return the rule itself, or the one held at the end of its chain, if torch may have a kernel for it."""
    chain = fit(rule, layout).chain
    inner: Rule | None = rule
    while inner is not None:
        own = fit(inner, layout).chain
        probe = {"x": torch.zeros(1)}
        if chain[len(chain) - len(own) :] == own and fused(inner, probe) is not None:
            return inner
        inner = getattr(inner, "rule", None)
    return None
