"""Trust ratios: a step in proportion to the weights that it changes, layer by layer."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Placed, State, Transformation
from thalweg.rules.layout import Layout, shares_of


@final
@dataclasses.dataclass(frozen=True)
class TrustRatio(Placed):
    """Make each update as long as its parameter: u * |params| / |u|; u itself where either is zero.

    `shrunk` takes the norm of params * (1 - lr * weight_decay), the weights after decay, as Keras does.
    """

    shrunk: bool = False
    pulls: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    flat: ClassVar[bool] = False

    def place(self, layout: Layout) -> Transformation:
        rates, decays = shares_of(layout, "lr"), shares_of(layout, "weight_decay")
        return TrustRatio(self.shrunk, {name: rates.get(name, 1.0) * decays.get(name, 1.0) for name in layout})

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, step
        trusted = {}
        for name, u in updates.items():
            theta = params[name]
            if self.shrunk:
                theta = theta * (1 - hyper["lr"] * hyper["weight_decay"] * self.pulls.get(name, 1.0))
            trusted[name] = u * ratio(torch.linalg.vector_norm(theta), torch.linalg.vector_norm(u))
        return trusted, {}


@final
@dataclasses.dataclass(frozen=True)
class LocalRate(Placed):
    """Add decay and make each update a share of its parameter's length, as LARS does.

    (g + weight_decay * params) * trust_coefficient * |params| / (n + eps); without the ratio where it would be 0 or inf

    n = |g| + weight_decay * |params|, or `together` n = |g + weight_decay * params|.
    """

    together: bool = False
    shares: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    flat: ClassVar[bool] = False

    def place(self, layout: Layout) -> Transformation:
        return LocalRate(self.together, shares_of(layout, "weight_decay"))

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, step
        scaled = {}
        for name, g in updates.items():
            theta, decay = params[name], hyper["weight_decay"] * self.shares.get(name, 1.0)
            size, pulled = torch.linalg.vector_norm(theta), g + theta * decay
            length = torch.linalg.vector_norm(pulled if self.together else g)
            whole = length if self.together else length + size * decay
            share = ratio(size * hyper["trust_coefficient"], whole, whole + hyper["eps"])
            scaled[name] = pulled * share.to(g.dtype)
        return scaled, {}


def ratio(top: Tensor, bottom: Tensor, safe_bottom: Tensor | None = None) -> Tensor:
    """Return top / bottom, and 1 where either is zero; `safe_bottom` is what is divided by in the end."""
    usable = (top != 0) & (bottom != 0)
    return torch.where(usable, top / (bottom if safe_bottom is None else safe_bottom), torch.ones_like(top))
