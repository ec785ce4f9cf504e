"""Leading parameters of some roles through one chain and the others through another."""

import dataclasses
from collections.abc import Iterator
from typing import ClassVar, TypeAlias, final

from torch import Tensor

from thalweg.core import law
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Placed, State, Transformation
from thalweg.rules.layout import Layout, Role

Chain: TypeAlias = tuple[Transformation, ...]


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class ByRole(Placed):
    """Lead parameters of certain roles through `chosen` and the rest through `others`; each keeps its own slots.

    Only a tensor of two axes or more is ever chosen; unplaced, every such tensor is, if `roles` has "matrix". With
    `asked_by`, the call of a rule that makes no sense without a chosen one, parameters that have none are refused.
    """

    chosen: Chain
    others: Chain
    roles: tuple[Role, ...] = ("matrix",)
    asked_by: str = ""
    names: frozenset[str] | None = None

    flat: ClassVar[bool] = False

    def place(self, layout: Layout) -> Transformation:
        names = frozenset(name for name, place in layout.items() if place.role in self.roles)
        if self.asked_by and not names:
            raise self._refusal(sorted({place.role for place in layout.values()}))
        chosen, others = (
            tuple(t.place(layout) if isinstance(t, Placed) else t for t in chain)
            for chain in (self.chosen, self.others)
        )
        return dataclasses.replace(self, chosen=chosen, others=others, names=names)

    def init(self, params: Params) -> State:
        if self.asked_by and not any(self._is_chosen(name, tensor) for name, tensor in params.items()):
            raise self._refusal([tuple(tensor.shape) for tensor in params.values()])
        state: State = {}
        for chain, part in self._parts(params):
            for transformation in chain:
                for slot, content in transformation.init(part).items():
                    state[slot] = {**state.get(slot, {}), **content}
        return state

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        ended = dict(updates)
        slots: State = {}
        for chain, part in self._parts(updates):
            for transformation in chain:
                part, changed = transformation.apply(part, {**state, **slots}, params, hyper, step)
                for slot, content in changed.items():
                    slots[slot] = {**slots.get(slot, state[slot]), **content}
            ended.update(part)
        return ended, slots

    def _parts(self, named: Params) -> Iterator[tuple[Chain, Params]]:
        chosen = {name: tensor for name, tensor in named.items() if self._is_chosen(name, tensor)}
        others = {name: tensor for name, tensor in named.items() if name not in chosen}
        yield from ((chain, part) for chain, part in ((self.chosen, chosen), (self.others, others)) if part)

    def _is_chosen(self, name: str, tensor: Tensor) -> bool:
        return tensor.ndim >= 2 and ("matrix" in self.roles if self.names is None else name in self.names)

    def _refusal(self, found: object) -> Exception:
        wanted = " or ".join(self.roles)
        return law(self.asked_by, f"needs a parameter that is a {wanted}", found, "Use AdamW() instead.")


def as_matrix(tensor: Tensor) -> Tensor:
    """Return a weight as a matrix: a row for each output, a filter's further axes laid end to end."""
    return tensor.flatten(1)
