"""Torch's fused kernels: one call for each group of parameters with the same shares of rate and decay.

For ten thousand weights a step of Adam by the kernel takes a third of the time of the plain operations on one flat
tensor, for ten million a third of theirs on many (benchmarks/rules.py). Weights that lie flat are one parameter to it,
or views where their rates differ.
"""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from thalweg.core.types import Params
from thalweg.rules import Fused, Layout, Place, fit, fused
from thalweg.rules import State as Memory
from thalweg.rules.decay import AddDecay
from thalweg.train.state import State

FusedStep: TypeAlias = Callable[[Params, Memory, dict[str, float], int], None]
"""(grads, memory, hyper, step): changes parameters and memory in place."""


def fused_step(state: State) -> FusedStep | None:
    """Return a step by torch's kernels that does the same as the rule's update, or None where there is none.

    The rule must stand alone, with nothing before or after its chain.
    """
    rule, params = state.fitted.rule, state.trainable
    if len(state.fitted.chain) != len(fit(rule).chain):
        return None
    place = (state.fitted.layout or {"flat": Place("vector")})["flat"] if state.is_flat else None
    if place is not None and not isinstance(place.lr, Tensor):
        return _flat_step(state, place.lr, place.weight_decay)
    groups: list[tuple[float, float, list[str], Fused]] = []
    for (rate, decay), names in _groups(state.layout, params).items():
        kernel = fused(rule, {name: params[name] for name in names})
        if kernel is None:
            return None
        groups.append((rate, decay, names, kernel))
    apart = _Views(params) if state.is_flat else None

    def step(grads: Params, memory: Memory, hyper: dict[str, float], count: int) -> None:
        if apart is not None:
            grads, memory = apart.of(grads), {slot: apart.kept(slot, content) for slot, content in memory.items()}
        for rate, decay, names, kernel in groups:
            own = {**hyper, "lr": hyper["lr"] * rate, "weight_decay": hyper["weight_decay"] * decay}
            kernel([params[n] for n in names], [grads[n] for n in names], memory, own, count)

    return step


def _flat_step(state: State, rate: float, share: float | Tensor) -> FusedStep | None:
    """Return a step on the one flat tensor; a decay that not all of it has is done apart from the kernel."""
    kernel, flat = fused(state.fitted.rule, state.params), state.params["flat"]
    coupled = isinstance(state.fitted.chain[0], AddDecay)
    if kernel is None:
        return None

    def step(grads: Params, memory: Memory, hyper: dict[str, float], count: int) -> None:
        grad, lr, decay = grads["flat"], hyper["lr"] * rate, hyper["weight_decay"]
        if not isinstance(share, Tensor):
            decay *= share
        elif decay:
            if coupled:
                grad = grad.addcmul(flat, share, value=decay)
            else:
                flat.addcmul_(flat, share, value=-lr * decay)
            decay = 0.0
        kernel([flat], [grad], memory, {**hyper, "lr": lr, "weight_decay": decay}, count)

    return step


class _Views:
    """See tensors that lie flat in one as the parameters that they are of."""

    def __init__(self, params: Params) -> None:
        self.names = list(params)
        self.sizes = [param.numel() for param in params.values()]
        self.shapes = [param.shape for param in params.values()]
        self._kept: dict[str, tuple[Tensor, Params]] = {}

    def of(self, content: Params) -> Params:
        """Return the views of `content["flat"]` by name."""
        parts = zip(content["flat"].split(self.sizes), self.shapes, strict=True)
        return dict(zip(self.names, [part.view(shape) for part, shape in parts], strict=True))

    def kept(self, slot: str, content: Params) -> Params:
        """Return them for a slot of the memory; its tensor stays the same object, and so are its views."""
        known = self._kept.get(slot)
        if known is None or known[0] is not content["flat"]:
            known = self._kept[slot] = content["flat"], self.of(content)
        return known[1]


def _groups(layout: Layout | None, params: Params) -> dict[tuple[float, float], list[str]]:
    if layout is None:
        return {(1.0, 1.0): list(params)}
    groups: dict[tuple[float, float], list[str]] = {}
    for name in params:
        rate, decay = layout[name].lr, layout[name].weight_decay
        assert not isinstance(rate, Tensor) and not isinstance(decay, Tensor)  # tensors are for weights that lie flat
        groups.setdefault((rate, decay), []).append(name)
    return groups
