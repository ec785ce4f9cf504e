"""Sizes of gradients, weights and changes at a look, and what else is read from parameters."""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from thalweg.diagnosis.watching.records import Case, Look, Sample

_SAMPLED = 4096  # elements of a parameter whose change is taken
_WATCHED = 8  # parameters of an optimizer of which it is asked whether their gradient was cleared
_COPY = 1 << 31  # bytes of parameters up to which the start is kept


class Samples:
    """Take samples of parameters around a step. Names come from the modules that were called."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._before: dict[int, Tensor] = {}
        self._left: dict[int, list[tuple[Tensor, Tensor]]] = {}  # id of optimizer: gradients as its step left them
        self._kept: dict[int, list[bool]] = {}  # id of optimizer: at each backward pass, whether they lay there still

    def name(self, parameter: Tensor) -> str:
        return self._case.names.get(id(parameter), f"#{id(parameter)}")

    def name_all(self) -> None:
        """Name the parameters of all roots; with several roots each name begins with its root's."""
        several = len(self._case.roots) > 1
        for root in self._case.roots:
            for path, parameter in root.module.named_parameters():
                self._case.names.setdefault(id(parameter), f"{root.name}.{path}" if several else path)
        for look in self._case.looks:
            look.samples = {
                self._case.names.get(int(key[1:]), key) if key.startswith("#") else key: sample
                for key, sample in look.samples.items()
            }

    def begin(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        """Remember gradients as the last step left them."""
        self._left, self._kept = {}, {}
        for optimizer in optimizers:
            full = [p for p in _parameters(optimizer) if p.grad is not None and not p.grad.is_sparse][:_WATCHED]
            left = [(p, p.grad.detach().flatten()[:_SAMPLED].clone()) for p in full if p.grad is not None]
            left = [(p, grad) for p, grad in left if bool(grad.any())]
            if left:
                self._left[id(optimizer)] = left

    def at_backward(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        for key, left in self._left.items():
            kept = all(p.grad is not None and torch.equal(p.grad.flatten()[:_SAMPLED], grad) for p, grad in left)
            empty = any(p.grad is None or not bool(p.grad.any()) for p, _ in left)
            self._kept.setdefault(key, []).append(kept and not empty)
            if empty:
                self._kept[key] = [False]

    def before_step(self, optimizer: torch.optim.Optimizer, look: Look) -> None:
        marks = self._kept.get(id(optimizer))
        if marks:
            look.stale[id(optimizer)] = marks[0]
        for p in _parameters(optimizer):
            self._before[id(p)] = p.detach().flatten()[:_SAMPLED].clone()
            grad = None if p.grad is None else _rms(p.grad)
            look.samples[self.name(p)] = Sample(grad, _rms(p), math.nan)

    def after_step(self, optimizer: torch.optim.Optimizer, look: Look) -> None:
        for p in _parameters(optimizer):
            before = self._before.pop(id(p), None)
            sample = look.samples.get(self.name(p))
            if before is not None and sample is not None:
                sample.update = _rms(p.detach().flatten()[:_SAMPLED] - before)

    def broken(self, loss: Tensor, optimizers: Iterable[torch.optim.Optimizer]) -> dict[str, Any]:
        """Return what can be read when a loss is no number: whether the weights still are, and the graph's story."""
        lost = [self.name(p) for o in optimizers for p in _parameters(o) if not bool(torch.isfinite(p).all())]
        return {"weights": lost, "nodes": first_bad_nodes(loss) if not lost else []}


def first_bad_nodes(loss: Tensor, *, most: int = 20_000) -> list[tuple[str, int]]:
    """Return the autograd nodes that hold NaN or infinity, as (name, place in forward order), the earliest first."""
    seen: set[Any] = set()
    waiting, nodes = [loss.grad_fn], list[Any]()
    while waiting and len(nodes) < most:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes.append(node)
        waiting += [following for following, _ in node.next_functions]
    nodes = sorted((node for node in nodes if hasattr(node, "_sequence_nr")), key=lambda node: node._sequence_nr())
    found = []
    for place, node in enumerate(nodes):
        for name in dir(node):
            if name.startswith("_saved_"):
                try:
                    value = getattr(node, name)
                except RuntimeError:
                    continue
                if isinstance(value, Tensor) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
                    found.append((type(node).__name__, place))
                    break
        if len(found) >= 4:
            break
    return found


def copy_of_start(
    optimizers: Iterable[torch.optim.Optimizer], roots: Iterable[nn.Module], known: Iterable[tuple[Tensor, Tensor]] = ()
) -> list[tuple[Tensor, Tensor]]:
    """Copy the parameters and buffers that are not known yet, unless all copies together are too large."""
    found: dict[int, Tensor] = {}
    for root in roots:
        found.update({id(t): t for t in (*root.parameters(), *root.buffers())})
    for optimizer in optimizers:
        found.update({id(p): p for p in _parameters(optimizer)})
    room = _COPY
    for tensor, copy in known:
        found.pop(id(tensor), None)
        room -= copy.numel() * copy.element_size()
    new = [tensor for tensor in found.values() if not is_lazy(tensor)]
    if sum(t.numel() * t.element_size() for t in new) > room:
        return []
    return [(t, t.detach().clone()) for t in new]


def fingerprint(optimizers: Iterable[torch.optim.Optimizer]) -> list[float]:
    """Return one number for each parameter, the same in two processes whose parameters are the same."""
    return [float(p.detach().double().sum()) for optimizer in optimizers for p in _parameters(optimizer)]


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _rms(tensor: Tensor) -> float:
    if tensor.is_sparse:
        tensor = tensor.coalesce().values()
    return float(torch.linalg.vector_norm(tensor.detach())) / math.sqrt(max(1, tensor.numel()))
