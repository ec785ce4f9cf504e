"""How the parameters that have gradients are led through a rule: parts with their counts, stages, and a way for each.

A plan holds while the same parameters have gradients; then nothing but the step itself is done. Each parameter has a
count and memory of its own, so that one without a gradient is left alone to the bit.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from thalweg.core import law
from thalweg.core.types import Hyper, Params
from thalweg.optim.groups import Group, device_of, hyper_of, numbers_of
from thalweg.optim.nature import nature
from thalweg.optim.ways import Chain, Part, Plain, Way, kernel, kernel_rule, pieces
from thalweg.rules import Fitted, Layout, Place, Placed, Rule, State, fit

States: TypeAlias = Mapping[Tensor, dict[str, Any]]
Hypers: TypeAlias = list[dict[str, float | Tensor]]


@dataclasses.dataclass(frozen=True)
class Guide:
    """Know how a rule is followed on all parameters of an optimizer: made anew when the rule or the groups change."""

    fitted: Fitted
    bare: Chain
    joint: tuple[bool, ...]
    lead: int
    inner: Rule | None
    splits: bool
    slots: tuple[dict[str, bool], ...]
    """For each transformation its slots, and whether a slot holds numbers of the whole."""

    @property
    def names(self) -> list[str]:
        """Return the names of the rule's numbers."""
        return list(numbers_of(self.fitted.rule))

    @property
    def off(self) -> list[str]:
        """Return the numbers that are zero, whose transformations may be missing from the chain."""
        return [name for name, value in numbers_of(self.fitted.rule).items() if not value]

    def slots_of(self, start: int, stop: int | None = None) -> set[str]:
        """Return the slots of some transformations."""
        return {slot for found in self.slots[start:stop] for slot in found}


def guide(rule: Rule, layout: Layout, params: Params) -> Guide:
    """Find how to follow a rule on these parameters. Raises `UsageError` if it is not for them."""
    found, fitted = nature(rule), fit(rule, layout)
    inner = kernel_rule(rule, layout)
    lead = found.lead if inner is None else len(fitted.chain) - len(inner.chain())
    slots = tuple(
        {slot: bool(content) and not content.keys() <= params.keys() for slot, content in t.init(params).items()}
        for t in fitted.chain
    )
    return Guide(fitted, rule.chain(), found.joint, lead, inner, found.splits, slots)


def remember(guide: Guide, params: Params, states: Mapping[str, dict[str, Any]], whole: dict[str, Tensor]) -> None:
    """Give the parameters in `states` the memory that they lack, empty as the rule begins it."""
    for state in states.values():
        state.setdefault("step", torch.zeros((), dtype=torch.int64))
    if any(guide.joint):
        whole.setdefault("step", torch.zeros((), dtype=torch.int64))
    for transformation, joint, slots in zip(guide.fitted.chain, guide.joint, guide.slots, strict=True):
        if not slots:
            continue
        fresh = transformation.init(params)
        for slot, is_number in slots.items():
            if is_number and joint:
                whole.setdefault(slot, next(iter(fresh[slot].values())))
                continue
            for name, state in states.items():
                if slot in state or not (is_number or name in fresh[slot]):
                    continue
                number = next(iter(fresh[slot].values()))
                state[slot] = number.clone() if is_number else fresh[slot][name]


class Together:
    """Lead all parts through a joint stage at once: their hyperparameters must agree, but for rate and decay."""

    def __init__(self, part: Part, chains: tuple[Chain, Chain], slots: set[str], layout: Layout) -> None:
        self.bare, placed = chains
        self.layout = layout
        self.plain = Plain(part, placed, slots, in_place=part.group["capturable"])
        self.shares: list[list[float]] | None = None

    def follow(self, updates: Params, parts: list[Part], hypers: Hypers, count: int | Tensor, extra: State) -> Params:
        hyper: Hyper = hypers[0]
        if any(other is not hyper for other in hypers):
            hyper = self._agreed(parts, hypers)
        return self.plain.follow(updates, hyper, count, extra)

    def _agreed(self, parts: list[Part], hypers: Hypers) -> Hyper:
        """Return what all parts agree on, rate and decay as the largest, of which each has its share."""
        found = agreed(hypers)
        moved = [name for name in ("lr", "weight_decay") if name in hypers[0] and name not in found]
        for field in moved:
            found[field] = max(float(hyper[field]) for hyper in hypers)
        shares = [[float(hyper[name]) / (found[name] or 1.0) for name in moved] for hyper in hypers]
        if shares != self.shares:
            self.shares = shares
            layout: dict[str, Place] = dict(self.layout)
            for part, own in zip(parts, shares, strict=True):
                for name in part.names:
                    place = layout[name]
                    more = {field: getattr(place, field) * by for field, by in zip(moved, own, strict=True)}
                    layout[name] = dataclasses.replace(place, **more)
            self.plain.chain = tuple(t.place(layout) if isinstance(t, Placed) else t for t in self.bare)
        return found


class _Agreed(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        wish, cure = "must be the same in all groups, for the rule takes all parameters together", "Set it once."
        raise law(f"param group {name}=...", wish, "different values", cure)


def agreed(hypers: Hypers) -> dict[str, Any]:
    """Return the numbers that are the same for all; asking for another raises `UsageError`."""
    first = hypers[0]
    return _Agreed({n: v for n, v in first.items() if all(other.get(n) is v or other.get(n) == v for other in hypers)})


class Apart:
    """Lead each part by itself through a stage."""

    def __init__(self, parts: list[Part], chain: Chain, slots: set[str]) -> None:
        self.plains = [Plain(part, chain, slots, in_place=part.group["capturable"]) for part in parts]

    def follow(self, updates: Params, parts: list[Part], hypers: Hypers, count: int | Tensor, extra: State) -> Params:
        ended: Params = {}
        for plain, part, hyper in zip(self.plains, parts, hypers, strict=True):
            own = {name: updates[name] for name in part.names}
            ended |= plain.follow(own, hyper, part.step if part.group["capturable"] else part.count, extra)
        return ended


@dataclasses.dataclass
class Plan:
    """Hold what is ready for a step of the parameters that have gradients now."""

    parts: list[Part]
    places: list[list[int]]
    ways: list[Way]
    stages: list[Together | Apart]
    present: list[bool]
    watched: list[tuple[Group, list[Tensor], int]]
    names: list[str]
    off: list[str]
    states: States
    num_states: int
    step: Tensor | None
    """How many steps all parameters made together, where a transformation is joint."""
    count: int

    def is_for(self, found: Sequence[Tensor | None], num_grads: int) -> bool:
        """Tell whether the same parameters have gradients as when this was planned."""
        if num_grads == len(self.present) == len(found):
            return all(self.present)
        return [grad is not None for grad in found] == self.present

    def serves(self, groups: list[Group], states: States) -> bool:
        """Tell whether groups and memory are still those that were planned with."""
        if states is not self.states or len(states) != self.num_states:
            return False
        return len(groups) == len(self.watched) and all(
            group is own and group["params"] is params and len(params) == count
            for group, (own, params, count) in zip(groups, self.watched, strict=True)
        )

    def hypers(self) -> Hypers:
        """Return each part's numbers at this moment."""
        if len(self.parts) == 1:
            return [hyper_of(self.parts[0].group, self.names)]
        seen: dict[int, dict[str, float | Tensor]] = {}
        for part in self.parts:
            if id(part.group) not in seen:
                seen[id(part.group)] = hyper_of(part.group, self.names)
        return [seen[id(part.group)] for part in self.parts]

    def run(self, grads: Sequence[Tensor], hypers: Hypers, extra: State) -> None:
        """Take the step."""
        own = [self._grads_of(part, grads, places) for part, places in zip(self.parts, self.places, strict=True)]
        if self.stages:
            pairs = zip(self.parts, own, strict=True)
            updates = {n: g for part, found in pairs for n, g in zip(part.names, found, strict=True)}
            captured = self.step is not None and self.parts[0].group["capturable"]
            count = self.step if captured and self.step is not None else self.count
            for stage in self.stages:
                updates = stage.follow(updates, self.parts, hypers, count, extra)
            own = [[updates[name] for name in part.names] for part in self.parts]
        for part, way, found, hyper in zip(self.parts, self.ways, own, hypers, strict=True):
            way.advance(found, hyper, part.step if part.group["capturable"] else part.count)
            part.step.add_(1)
            part.count += 1
        if self.step is not None:
            self.step.add_(1)
            self.count += 1

    def _grads_of(self, part: Part, grads: Sequence[Tensor], places: list[int]) -> list[Tensor]:
        own = list(grads) if len(places) == len(grads) else [grads[k] for k in places]
        return list(torch._foreach_neg(own)) if part.group["maximize"] else own


def plan(
    guide: Guide,
    groups: list[Group],
    names: list[list[str]],
    states: States,
    whole: dict[str, Tensor],
    present: list[bool],
) -> Plan:
    """Sort the parameters that have gradients into parts, and choose a way for each."""
    watched = [(group, group["params"], len(group["params"])) for group in groups]
    parts, places = _parts(guide, groups, names, states, present)
    layout = guide.fitted.layout
    assert layout is not None
    chain, lead = guide.fitted.chain, guide.lead
    ways = [_way(part, guide, layout) for part in parts]
    stages: list[Together | Apart] = []
    start = 0
    while start < lead:
        stop = next((k for k in range(start, lead) if guide.joint[k] != guide.joint[start]), lead)
        slots = guide.slots_of(start, stop)
        if guide.joint[start]:
            merged = Part(
                group=groups[0], names=[n for part in parts for n in part.names],
                params=[p for part in parts for p in part.params], states=[s for part in parts for s in part.states],
                step=parts[0].step, numbers={slot: {"all": whole[slot]} for slot in slots if slot in whole},
            )  # fmt: skip
            stages.append(Together(merged, (guide.bare[start:stop], chain[start:stop]), slots, layout))
        else:
            stages.append(Apart(parts, chain[start:stop], slots))
        start = stop
    step = whole.get("step")
    if step is not None:
        step = whole["step"] = step.to(device_of(groups[0]))
    return Plan(
        parts=parts, places=places, ways=ways, stages=stages, present=present, watched=watched, names=guide.names,
        off=guide.off, states=states, num_states=len(states), step=step, count=0 if step is None else int(step),
    )  # fmt: skip


def _way(part: Part, guide: Guide, layout: Layout) -> Way:
    slots = guide.slots_of(guide.lead)
    way: Way | None = kernel(part, guide.inner, slots, layout) if guide.inner is not None else None
    if way is None and guide.splits:
        way = pieces(part, guide.bare[guide.lead :], slots, layout)
    return way or Plain(part, guide.fitted.chain[guide.lead :], slots, in_place=part.group["capturable"])


def _parts(
    guide: Guide, groups: list[Group], names: list[list[str]], states: States, present: list[bool]
) -> tuple[list[Part], list[list[int]]]:
    """Put together the parameters of a group that have the same count and numbers; they share these from now on."""
    numbers = sorted(
        slot
        for slots, joint in zip(guide.slots, guide.joint, strict=True)
        for slot, is_number in slots.items()
        if is_number and not joint
    )
    ranks = list(itertools.accumulate(present, initial=0))  # the place of a gradient among those that are there
    parts: list[Part] = []
    places: list[list[int]] = []
    first = 0
    for group, own in zip(groups, names, strict=True):
        members: dict[object, list[int]] = {}
        for k, param in enumerate(group["params"]):
            if present[first + k]:
                state = states[param]
                key = (int(state["step"]), *(float(state[slot]) for slot in numbers))
                members.setdefault(repr(key), []).append(k)
        for found in members.values():
            parts.append(_part(group, own, found, states, numbers))
            places.append([ranks[first + k] for k in found])
        first += len(group["params"])
    return parts, places


def _part(group: Group, names: list[str], members: list[int], states: States, numbers: list[str]) -> Part:
    params = [group["params"][k] for k in members]
    own = [states[param] for param in params]
    step = own[0]["step"].detach().clone().to(device_of(group))
    shared = {slot: own[0][slot].detach().clone() for slot in numbers}
    for state in own:
        state["step"] = step
        state.update(shared)
    contents: State = {slot: {"all": tensor} for slot, tensor in shared.items()}
    return Part(group, [names[k] for k in members], params, own, step, contents, int(step))
