"""Residual branches: sums of a signal and of what layers made of it, found in the graph that autograd keeps."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.core.random import undisturbed

Node: Any = object  # of autograd's graph


def branch_ends(module: nn.Module, layers: Iterable[nn.Module], x: Tensor) -> list[nn.Module]:
    """Return the last of `layers` in each residual branch, in the order of the sums.

    A sum counts if both of its terms come from one signal and at least one of them through a layer; the branch is the
    term with more layers on its way, and its end the layer nearest to the sum.
    """
    made: dict[Any, nn.Module] = {}

    def note(layer: nn.Module, args: object, output: object) -> None:
        tensor = output[0] if isinstance(output, tuple) else output
        if isinstance(tensor, Tensor) and tensor.grad_fn is not None:
            made.setdefault(tensor.grad_fn, layer)

    hooks = [layer.register_forward_hook(note) for layer in layers]
    state = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
    for name, param in module.named_parameters():
        copy = param.detach().clone()
        state[name] = copy.requires_grad_() if copy.is_floating_point() else copy
    try:
        with undisturbed(), torch.enable_grad():
            if x.is_floating_point():
                x = x.detach().clone().requires_grad_().clone()  # a node of the graph: the first signal may be x itself
            outputs = torch.func.functional_call(module, state, (x,))
    finally:
        for hook in hooks:
            hook.remove()
    roots = [tensor.grad_fn for tensor in _tensors(outputs) if tensor.grad_fn is not None]
    return _Graph(roots, made).ends()


class _Graph:
    """Hold the nodes of a graph in topological order; sets of ancestors are the bits of whole numbers."""

    def __init__(self, roots: Sequence[Any], made: dict[Any, nn.Module]) -> None:
        self.nodes = _inputs_first(roots)
        self.place = {node: k for k, node in enumerate(self.nodes)}
        self.made = made
        self.before: list[int] = []
        for k, node in enumerate(self.nodes):
            bits = 0 if _is_leaf(node) else 1 << k
            for source in _sources(node):
                bits |= self.before[self.place[source]]
            self.before.append(bits)
        self.with_layer = sum(1 << self.place[node] for node in made if node in self.place)

    def ends(self) -> list[nn.Module]:
        found = []
        for node in self.nodes:
            terms = [source for source in _sources(node) if not _is_leaf(source)]
            if not node.name().startswith("AddBackward") or len(terms) != 2:
                continue
            one, two = (self.before[self.place[term]] for term in terms)
            if not one & two:
                continue
            ways = ((one & ~two) & self.with_layer, (two & ~one) & self.with_layer)
            longer = 0 if ways[0].bit_count() > ways[1].bit_count() else 1
            if ways[longer]:
                found.append(self._nearest(terms[longer], ways[longer]))
        return found

    def _nearest(self, term: Any, way: int) -> nn.Module:
        """Walk back from a term of a sum to the first layer on its way."""
        ring, seen = [term], {term}
        while ring:
            for node in ring:
                if way >> self.place[node] & 1:
                    return self.made[node]
            ring = [source for node in ring for source in _sources(node) if not _is_leaf(source)]
            ring = [node for node in dict.fromkeys(ring) if node not in seen]
            seen.update(ring)
        raise AssertionError("a layer on the way is reached by walking back")


def _inputs_first(roots: Sequence[Any]) -> list[Any]:
    """List all nodes, each after those it depends on; without recursion, for graphs that are deep."""
    order: dict[Any, None] = {}
    stack = [(root, False) for root in roots]
    while stack:
        node, done = stack.pop()
        if done:
            order.setdefault(node)
        elif node not in order:
            stack.append((node, True))
            stack += [(source, False) for source in _sources(node) if source not in order]
    return list(order)


def _sources(node: Any) -> list[Any]:
    return [source for source, _ in node.next_functions if source is not None]


def _is_leaf(node: Any) -> bool:
    return bool(node.name().endswith("AccumulateGrad"))


def _tensors(outputs: object) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    values = outputs.values() if isinstance(outputs, dict) else outputs if isinstance(outputs, tuple | list) else ()
    return [tensor for value in values for tensor in _tensors(value)]
