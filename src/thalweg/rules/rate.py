"""From updates to changes: the step against the gradient, as long as the rate says."""

import dataclasses
from collections.abc import Mapping
from typing import final

from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Placed, State, Transformation
from thalweg.rules.layout import Layout, shares_of


@final
@dataclasses.dataclass(frozen=True)
class ByRate(Placed):
    """Multiply by the rate and turn round: change = -lr * u; a parameter with a share of the rate gets that of it."""

    shares: Mapping[str, float | Tensor] = dataclasses.field(default_factory=dict)

    def place(self, layout: Layout) -> Transformation:
        return ByRate(shares_of(layout, "lr"))

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params, step
        lr = -hyper["lr"]
        change = {name: update * lr for name, update in updates.items()}
        return {
            n: c * self.shares[n] if n in self.shares else c for n, c in change.items()
        } if self.shares else change, {}
