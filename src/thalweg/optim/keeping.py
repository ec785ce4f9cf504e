"""What an optimizer is written as and read from: by parameter name, with a report of what fitted."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.core import UsageError, to_plain
from thalweg.optim.groups import Group, names_of
from thalweg.rules import Rule

_TORCH_SLOTS = {
    "exp_avg": "mean", "exp_avg_sq": "square", "max_exp_avg_sq": "largest", "momentum_buffer": "velocity",
    "square_avg": "square", "acc_delta": "step_square", "exp_inf": "peak", "mu_product": "product",
}  # fmt: skip
_NOT_NUMBERS = ("params", "param_names", "capturable")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LoadReport:
    """Say what of a state_dict fitted: names of parameters, and hyperparameters that differed."""

    matched: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    """Here, but not in the state_dict: their memory starts empty."""
    missing: tuple[str, ...] = ()
    """In the state_dict, but not here."""
    shape_changed: tuple[str, ...] = ()
    """In both, but what is remembered does not fit: their memory starts empty."""
    hyper_kept: tuple[str, ...] = ()
    """Hyperparameters that differed and stayed as they are here."""
    hyper_changed: tuple[str, ...] = ()
    """Hyperparameters that differed and were taken from the state_dict."""

    def __str__(self) -> str:
        words = {
            "new, start empty": self.new, "in the file only": self.missing,
            "do not fit, start empty": self.shape_changed,
            "hyperparameters kept": self.hyper_kept, "hyperparameters loaded": self.hyper_changed,
        }  # fmt: skip
        lines = [f"{word}: {', '.join(names)}" for word, names in words.items() if names]
        return "\n".join([f"parameters loaded: {len(self.matched)}", *lines])


@dataclasses.dataclass(frozen=True)
class Loaded:
    """Hold what was read: the memory of each parameter, numbers of the whole, the report."""

    states: dict[str, dict[str, Any]]
    whole: dict[str, Tensor]
    report: LoadReport


def written(rule: Rule, groups: list[Group], states: Mapping[Tensor, Any], whole: dict[str, Tensor]) -> dict[str, Any]:
    """Write an optimizer as plain containers and tensors; the tensors are its own, as in torch."""
    names = names_of(groups)
    memory = {
        name: {slot: int(value) if slot == "step" else value for slot, value in states[param].items()}
        for group, own in zip(groups, names, strict=True)
        for name, param in zip(own, group["params"], strict=True)
        if states.get(param)
    }
    kept = [
        {**{k: v for k, v in group.items() if k not in _NOT_NUMBERS}, "params": own}
        for group, own in zip(groups, names, strict=True)
    ]
    return {
        "rule": to_plain(rule), "named": "param_names" in groups[0], "whole": dict(whole), "state": memory,
        "param_groups": kept,
    }  # fmt: skip


def read(
    saved: Mapping[str, Any],
    rule: Rule,
    groups: list[Group],
    fresh: Mapping[str, dict[str, Any]],
    whole: Mapping[str, Tensor],
    *,
    keep_hyper: bool,
) -> Loaded:
    """Fit what was written to these groups, whose numbers change; `fresh` is the empty memory of each parameter."""
    if not isinstance(saved.get("state"), Mapping) or not isinstance(saved.get("param_groups"), list | tuple):
        raise UsageError(f"A state_dict has the keys 'state' and 'param_groups', got {sorted(map(str, saved))}.")
    saved = saved if "rule" in saved else _from_torch(saved)
    names = list(itertools.chain.from_iterable(names_of(groups)))
    memory, saved_groups = _by_our_names(saved, names, named="param_names" in groups[0])
    known = {name for group in saved_groups for name in group["params"]}
    states: dict[str, dict[str, Any]] = {}
    changed, matched = [], []
    for name in names:
        if name not in known:
            continue
        misfit = _misfit(fresh[name], memory[name]) if name in memory else ""
        if misfit:
            changed.append(f"{name} ({misfit})")
            continue
        matched.append(name)
        if name in memory:
            states[name] = {slot: _like(own, memory[name].get(slot, 1)) for slot, own in fresh[name].items()}
    kept, taken = _read_groups(groups, saved_groups, rule, keep_hyper=keep_hyper)
    numbers = {slot: _like(own, saved.get("whole", {}).get(slot, own)) for slot, own in whole.items()}
    report = LoadReport(
        matched=tuple(matched), new=tuple(n for n in names if n not in known),
        missing=tuple(sorted(known - set(names))),
        shape_changed=tuple(changed), hyper_kept=tuple(kept), hyper_changed=tuple(taken),
    )  # fmt: skip
    return Loaded(states, numbers, report)


def _like(own: Tensor, value: Any) -> Tensor:
    return torch.as_tensor(value).detach().to(own, copy=True)  # strides too: they decide the last bit of a product


def _misfit(fresh: Mapping[str, Tensor], memory: Mapping[str, Any]) -> str:
    """Say what keeps a parameter's memory from being taken; "" if nothing does."""
    for slot, own in fresh.items():
        if slot == "step":
            continue
        if slot not in memory:
            return f"no {slot}"
        if memory[slot].shape != own.shape:
            return f"{slot} {tuple(memory[slot].shape)}, here {tuple(own.shape)}"
    return ""


def _by_our_names(
    saved: Mapping[str, Any], names: list[str], *, named: bool
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return memory and groups of a state_dict; where only one side has names, parameters go by their order."""
    groups = [dict(group) for group in saved["param_groups"]]
    theirs = [name for group in groups for name in group["params"]]
    if saved.get("named", True) == named or len(theirs) != len(names):
        return dict(saved["state"]), groups
    ours = dict(zip(theirs, names, strict=True))
    for group in groups:
        group["params"] = [ours[name] for name in group["params"]]
    return {ours[name]: state for name, state in saved["state"].items()}, groups


def _from_torch(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Read what a class of torch.optim wrote."""
    groups = [dict(group) for group in saved["param_groups"]]
    named = all("param_names" in group for group in groups)
    names: dict[Any, str] = {}
    for group in groups:
        own = group["param_names"] if named else [str(place) for place in group["params"]]
        names |= dict(zip(group["params"], own, strict=True))
        group["params"] = own
    memory = {}
    for place, state in saved["state"].items():
        found = {_TORCH_SLOTS.get(slot, slot): value for slot, value in state.items() if value is not None}
        memory[names[place]] = found
    return {"named": named, "state": memory, "param_groups": groups}


def _read_groups(
    groups: list[Group], saved: list[dict[str, Any]], rule: Rule, *, keep_hyper: bool
) -> tuple[list[str], list[str]]:
    """Take in the numbers of the saved groups; return which differed and were kept, and which were taken."""
    kept: list[str] = []
    taken: list[str] = []
    for place, (group, names) in enumerate(zip(groups, names_of(groups), strict=True)):
        alike = [len(set(names) & set(other["params"])) for other in saved]
        if not any(alike):
            continue
        other = saved[place] if len(saved) == len(groups) and alike[place] else saved[alike.index(max(alike))]
        for name, value in other.items():
            if name in _NOT_NUMBERS:
                continue
            value = tuple(value) if isinstance(value, list) else value
            if name not in group:
                own = getattr(rule, name, value)
                if own != value:
                    kept.append(f"{_where(name, place, groups)} {own} (there {value})")
                elif name == "initial_lr":
                    group[name] = value
            elif not _same(group[name], value):
                line = f"{_where(name, place, groups)} {group[name]}"
                if keep_hyper:
                    kept.append(f"{line} (there {value})")
                else:
                    taken.append(f"{line} -> {value}")
                    group[name] = value
    return kept, taken


def _where(name: str, place: int, groups: list[Group]) -> str:
    return name if len(groups) == 1 else f"group {place} {name}"


def _same(one: Any, other: Any) -> bool:
    return bool(one is other or one == other)
