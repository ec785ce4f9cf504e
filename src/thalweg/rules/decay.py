"""Pulling the weights to zero: as part of the gradient, or apart from it."""

import dataclasses
from collections.abc import Mapping
from typing import final

from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Placed, State, Transformation
from thalweg.rules.layout import Layout, shares_of


@final
@dataclasses.dataclass(frozen=True)
class AddDecay(Placed):
    """Add decay to the updates: u + weight_decay * params.

    First in a chain it is coupled (L2; the moments see it), before `ByRate` it is decoupled (Loshchilov and Hutter
    2019) and multiplied by the rate. It always stands in the chain: whether there is decay is for `hyper` to say, which
    in a population differs by member. Parameters may have a share of the decay, or none.
    """

    shares: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    def place(self, layout: Layout) -> Transformation:
        return AddDecay(shares_of(layout, "weight_decay"))

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, step
        decay = hyper["weight_decay"]
        if isinstance(decay, float) and not decay:
            return updates, {}
        if not self.shares:
            return {name: update + params[name] * decay for name, update in updates.items()}, {}
        return {name: _pulled(u, params[name], decay, self.shares.get(name, 1.0)) for name, u in updates.items()}, {}


def _pulled(update: Tensor, param: Tensor, decay: float | Tensor, share: float | Tensor) -> Tensor:
    if isinstance(share, Tensor) and isinstance(decay, float):
        return update.addcmul(param, share, value=decay)
    if not isinstance(share, Tensor) and not share:
        return update
    return update + param * (share * decay)


@final
@dataclasses.dataclass(frozen=True)
class PullApart(Placed):
    """Pull the weights to zero beside a change that is finished: change - lr * weight_decay * params.

    Where the rate is part of the velocity, `AddDecay` has no place that would leave the decay out of the velocity.
    Without `by_rate` change - weight_decay * params, as Loshchilov and Hutter write it; a parameter's share of the rate
    counts all the same, so that one without any stays where it is.
    """

    by_rate: bool = True
    shares: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    def place(self, layout: Layout) -> Transformation:
        rates, decays = shares_of(layout, "lr"), shares_of(layout, "weight_decay")
        shares = {n: rates.get(n, 1.0) * decays.get(n, 1.0) for n in layout if n in rates or n in decays}
        return PullApart(self.by_rate, shares)

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, step
        decay = hyper["weight_decay"]
        if isinstance(decay, float) and not decay:
            return updates, {}
        pull = hyper["lr"] * decay if self.by_rate else decay
        return {n: change - params[n] * (self.shares.get(n, 1.0) * pull) for n, change in updates.items()}, {}


def with_decay(step: Transformation, *, apart: bool) -> tuple[Transformation, Transformation]:
    """Return a chain with the decay before the step, as a part of the gradient, or after it, apart."""
    return (step, AddDecay()) if apart else (AddDecay(), step)
