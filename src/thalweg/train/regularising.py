"""Penalties and constraints as links of a rule's chain: the gradient of a penalty before it, the rest after it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.core import law
from thalweg.core.types import Hyper, Params
from thalweg.regularisers import Constraint, Penalty, add_gradients, apply_prox, project_all
from thalweg.rules import Around, Count, Fitted, Judged, Layout, Place, Placed, Rule, Transformation, fit, inside
from thalweg.rules import State as Memory
from thalweg.rules.rate import ByRate

Shares = Mapping[str, float | Tensor]


def links(
    penalties: Sequence[Penalty], constraint: Constraint | None, *, num_examples: int
) -> tuple[list[Transformation], list[Transformation]]:
    """Return what stands before a rule's chain, and what stands after it."""
    first: list[Transformation] = [AddPenalty(p, num_examples) for p in penalties if p.step == "gradient"]
    last: list[Transformation] = [Shrink(p, num_examples) for p in penalties if p.step == "proximal"]
    return first, [*last, *([Project(constraint)] if constraint else [])]


def fit_between(
    rule: Rule, layout: Layout | None, *, first: Sequence[Transformation], last: Sequence[Transformation]
) -> Fitted:
    """Return a rule fitted to parameters of this layout, with `first` before its chain and `last` after its steps.

    Averages of the weights come after `last`: what they average is what trains.
    """
    found = fit(rule, layout, first=first)
    mended = [t.place(layout) if layout is not None and isinstance(t, Placed) else t for t in last]
    end = len(found.chain) - _links_after(rule)
    return dataclasses.replace(found, chain=(*found.chain[:end], *mended, *found.chain[end:]))


def _links_after(rule: Rule) -> int:
    """Return how many links rules around another put after its steps."""
    if not isinstance(rule, Around):
        return 0
    outer, inner = rule.chain(), rule.rule.chain()
    before = next(k for k in range(len(outer)) if outer[k : k + len(inner)] == inner)
    return _links_after(rule.rule) + len(outer) - len(inner) - before


def check_steps(rule: Rule, penalties: Sequence[Penalty], constraint: Constraint | None) -> None:
    """Raise `UsageError` where what mends the weights after a step does not go with how the rule steps."""
    *_, base = inside(rule)
    shrinking = [penalty.name for penalty in penalties if penalty.step == "proximal"]
    if shrinking and not any(isinstance(link, ByRate) for link in base.chain()):
        wish = f"must have step='gradient' beside {base.name}, whose steps are not of the length of its rate"
        raise law("penalties=...", wish, shrinking)
    if constraint is not None and any(isinstance(link, Judged) for link in base.chain()):
        wish = f"cannot bound the weights that {base.name} is judged by"
        raise law("constraint=...", wish, constraint.name, "Take another rule, sgd or adamw say.")


def strengths(penalties: Sequence[Penalty]) -> dict[str, float]:
    """Return the hyperparameters that penalties bring: "l2_strength" and the like."""
    return {strength_of(penalty): penalty.strength for penalty in penalties}


def strength_of(penalty: Penalty) -> str:
    """Return the name of a penalty's strength among the hyperparameters."""
    return f"{penalty.name.replace('-', '_')}_strength"


@final
@dataclasses.dataclass(frozen=True)
class AddPenalty(Placed):
    """Add a penalty's gradient to that of the loss, for the parameters of its roles."""

    penalty: Penalty
    num_examples: int
    shares: Shares | None = None

    def place(self, layout: Layout) -> Transformation:
        return dataclasses.replace(self, shares=shares_by_role(layout, self.penalty.roles))

    def init(self, params: Params) -> Memory:
        del params
        return {}

    def apply(self, updates: Params, state: Memory, params: Params, hyper: Hyper, step: Count) -> tuple[Params, Memory]:
        del state, step
        strength = {self.penalty.name: hyper[strength_of(self.penalty)]}
        shares = shares_by_shape(params) if self.shares is None else self.shares
        pulled = add_gradients(
            [self.penalty], updates, params, num_examples=self.num_examples, strengths=strength, shares=shares
        )
        return pulled, {}


@final
@dataclasses.dataclass(frozen=True)
class Shrink(Placed):
    """Let a penalty shrink the weights after the rule's step, by its proximal map at the length of the rate."""

    penalty: Penalty
    num_examples: int
    shares: Shares | None = None

    def place(self, layout: Layout) -> Transformation:
        """Return it with each parameter's share: none outside of its roles, else that of the rate."""
        inside = shares_by_role(layout, self.penalty.roles)
        return dataclasses.replace(self, shares={name: share * layout[name].lr for name, share in inside.items()})

    def init(self, params: Params) -> Memory:
        del params
        return {}

    def apply(self, updates: Params, state: Memory, params: Params, hyper: Hyper, step: Count) -> tuple[Params, Memory]:
        del state, step
        stepped = {name: params[name] + change for name, change in updates.items()}
        shrunk = apply_prox(
            [self.penalty], stepped, length=hyper["lr"], num_examples=self.num_examples,
            strengths={self.penalty.name: hyper[strength_of(self.penalty)]},
            shares=shares_by_shape(params) if self.shares is None else self.shares,
        )  # fmt: skip
        return {name: shrunk[name] - params[name] for name in updates}, {}


@final
@dataclasses.dataclass(frozen=True)
class Project(Placed):
    """Bring the weights back into a constraint after the rule's step."""

    flat: ClassVar[bool] = False
    constraint: Constraint
    names: tuple[str, ...] | None = None

    def place(self, layout: Layout) -> Transformation:
        names = tuple(name for name, place in layout.items() if place.role in self.constraint.roles)
        return dataclasses.replace(self, names=names)

    def init(self, params: Params) -> Memory:
        del params
        return {}

    def apply(self, updates: Params, state: Memory, params: Params, hyper: Hyper, step: Count) -> tuple[Params, Memory]:
        del state, hyper, step
        names = [n for n, p in params.items() if p.ndim >= 2] if self.names is None else self.names
        stepped = {name: params[name] + change for name, change in updates.items()}
        inside = project_all([self.constraint], stepped, names=names)
        return {name: inside[name] - params[name] for name in updates}, {}


def shares_by_shape(params: Params) -> Shares:
    """Return 1 for what has the shape of a weight, where no layout tells more."""
    return {name: float(param.ndim >= 2) for name, param in params.items()}


def shares_by_role(layout: Layout, roles: Sequence[str]) -> Shares:
    """Return 1 for parameters of these roles, 0 for others, and a tensor of both where many lie in one."""
    return {name: _share(place, roles) for name, place in layout.items()}


def _share(place: Place, roles: Sequence[str]) -> float | Tensor:
    if not place.parts:
        return float(place.role in roles)
    inside = [role in roles for role, _ in place.parts]
    if all(inside) or not any(inside):
        return float(all(inside))
    return torch.cat([torch.full((count,), float(role in roles)) for role, count in place.parts]).to(
        place.device or "cpu"
    )
