"""Pulling the weights to zero: as part of the gradient, or apart from it."""

import dataclasses

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, State, Transformation


@dataclasses.dataclass(frozen=True)
class AddDecay(Transformation):
    """Add decay to the updates: u + weight_decay * params.

    First in a chain it is coupled (L2; the moments see it), last it is decoupled (Loshchilov and Hutter 2019). It
    always stands in the chain: whether there is decay is for `hyper` to say, which in a population differs by member.
    """

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, step
        decay = hyper["weight_decay"]
        if isinstance(decay, float) and not decay:
            return updates, {}
        return {name: update + params[name] * decay for name, update in updates.items()}, {}
