"""Doing what a rule says: its chain, fitted to a network's parameters, with all that it asks to be measured."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Judged, Placed, Rule, SecondPoint, State, Transformation
from thalweg.rules.chain import begin, follow
from thalweg.rules.layout import Layout

Find: TypeAlias = Callable[[Params], tuple[Tensor, Params]]
"""Loss, shape (), and its gradient at given parameters."""


def inside(rule: Rule) -> Iterator[Rule]:
    """Yield a rule and those that it holds, from the outermost in."""
    held: Rule | None = rule
    while held is not None:
        yield held
        held = getattr(held, "rule", None)


@dataclasses.dataclass(frozen=True, slots=True)
class Fitted:
    """Hold a rule that knows its parameters: the chain, listed once and placed. Its methods are those of a rule."""

    rule: Rule
    chain: tuple[Transformation, ...]
    layout: Layout | None = None

    @property
    def flat(self) -> bool:
        """Whether all weights may lie end to end in one tensor."""
        return all(transformation.flat for transformation in self.chain) and not self.needs_hessian

    @property
    def needs_hessian(self) -> bool:
        """Whether the loop must put the Hessian into the memory: the rule, or one that it holds, asks for it."""
        return any(rule.needs_hessian for rule in inside(self.rule))

    @property
    def asks_twice(self) -> bool:
        """Whether a step needs a second gradient."""
        return any(isinstance(transformation, SecondPoint) for transformation in self.chain)

    @property
    def is_judged_elsewhere(self) -> bool:
        """Whether the weights to be judged are others than those that train."""
        return any(isinstance(transformation, Judged) for transformation in self.chain)

    def init(self, params: Params) -> State:
        return begin(self.chain, params)

    def update(self, grads: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        return follow(self.chain, grads, state, params, hyper, step)

    def offset(self, grads: Params, params: Params, hyper: Hyper) -> Params | None:
        """Return where the second gradient is to be taken, relative to the parameters; None where one is enough."""
        asking = next((t for t in self.chain if isinstance(t, SecondPoint)), None)
        return None if asking is None else asking.offset(grads, params, hyper)

    def evaluation(self, params: Params, state: State, hyper: Hyper) -> Params:
        """Return the weights to be judged and kept, given those that train."""
        for transformation in self.chain:
            if isinstance(transformation, Judged):
                params = transformation.evaluation(params, state, hyper)
        return params


def fit(
    rule: Rule,
    layout: Layout | None = None,
    *,
    first: Sequence[Transformation] = (),
    last: Sequence[Transformation] = (),
) -> Fitted:
    """Return a rule fitted to parameters of this layout; without one, roles go by shapes.

    `first` and `last` are put before and after the rule's own chain: penalties, constraints.
    """
    chain = (*first, *rule.chain(), *last)
    if layout is not None:
        chain = tuple(t.place(layout) if isinstance(t, Placed) else t for t in chain)
    return Fitted(rule, chain, layout)


class Step(NamedTuple):
    """Hold what one step gave; loss and grads are those at the parameters it started from."""

    params: Params
    state: State
    loss: Tensor
    grads: Params


def take_step(
    rule: Rule | Fitted, find: Find, params: Params, state: State, *, hyper: Hyper | None = None, step: Count = 0
) -> Step:
    """Take one step of a rule on a function, with a second gradient or the Hessian where the rule asks for them.

    Pure, and for small problems: the Hessian is made row by row from `find`'s gradient, which must be differentiable
    (for rules that need none it need not be).
    """
    fitted = rule if isinstance(rule, Fitted) else fit(rule)
    hyper = fitted.rule.hyper() if hyper is None else hyper
    loss, grads = find(params)
    seen = grads
    if (offset := fitted.offset(grads, params, hyper)) is not None:
        _, seen = find({name: param + offset[name] for name, param in params.items()})
    state = {**state, "hessian": {"all": hessian(find, params)}} if fitted.needs_hessian else state
    change, state = fitted.update(seen, state, params, hyper, step)
    state = {slot: content for slot, content in state.items() if slot != "hessian"}
    return Step({name: param + change[name] for name, param in params.items()}, state, loss, grads)


def hessian(find: Find, params: Params) -> Tensor:
    """Return the Hessian (N, N) of the loss over all parameters end to end, in the order of `params`."""
    sizes = [param.numel() for param in params.values()]

    def flat_gradient(flat: Tensor) -> Tensor:
        parts = zip(params.items(), flat.split(sizes), strict=True)
        _, grads = find({name: part.view_as(param) for (name, param), part in parts})
        return torch.cat([grads[name].reshape(-1) for name in params])

    start = torch.cat([param.reshape(-1) for param in params.values()]).detach()
    found: Tensor = torch.autograd.functional.jacobian(flat_gradient, start)
    return found
