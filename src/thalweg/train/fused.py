"""Torch's fused kernels for large networks: one call for each group of parameters with the same shares."""

from collections.abc import Callable
from typing import TypeAlias

from torch import Tensor

from thalweg.core.types import Params
from thalweg.rules import Fitted, Fused, Layout, fit, fused
from thalweg.rules import State as Memory

FusedStep: TypeAlias = Callable[[Params, Memory, dict[str, float], int], None]
"""(grads, memory, hyper, step): changes parameters and memory in place."""


def fused_step(fitted: Fitted, params: Params) -> FusedStep | None:
    """Return a step by torch's kernels that does the same as `fitted.update`, or None where there is none.

    The rule must stand alone, with nothing before or after its chain.
    """
    if len(fitted.chain) != len(fit(fitted.rule).chain):
        return None
    groups: list[tuple[float, float, list[str], Fused]] = []
    for (rate, decay), names in _groups(fitted.layout, params).items():
        kernel = fused(fitted.rule, {name: params[name] for name in names})
        if kernel is None:
            return None
        groups.append((rate, decay, names, kernel))

    def step(grads: Params, memory: Memory, hyper: dict[str, float], count: int) -> None:
        for rate, decay, names, kernel in groups:
            own = {**hyper, "lr": hyper["lr"] * rate, "weight_decay": hyper["weight_decay"] * decay}
            kernel([params[n] for n in names], [grads[n] for n in names], memory, own, count)

    return step


def _groups(layout: Layout | None, params: Params) -> dict[tuple[float, float], list[str]]:
    if layout is None:
        return {(1.0, 1.0): list(params)}
    groups: dict[tuple[float, float], list[str]] = {}
    for name in params:
        rate, decay = layout[name].lr, layout[name].weight_decay
        assert not isinstance(rate, Tensor) and not isinstance(decay, Tensor)  # tensors are for weights that lie flat
        groups.setdefault((rate, decay), []).append(name)
    return groups
