"""Parameter groups: what a user hands over, and the numbers of a rule as each group has them."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from thalweg.core import UsageError, knobs, law, with_field
from thalweg.rules import Rule

Parameters: TypeAlias = nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Iterable[dict[str, Any]]
"""A network, its parameters, its named parameters, or groups of either with numbers of their own."""
Group: TypeAlias = dict[str, Any]
OPTIONS = ("maximize", "capturable")
_PAIR = ("beta1", "beta2")


def groups_of(params: Parameters) -> list[Group]:
    """Return parameter groups as torch reads them. Raises `UsageError` where there is nothing to train."""
    if isinstance(params, nn.Module):
        params = params.named_parameters()
    if isinstance(params, Tensor):
        raise UsageError("An optimizer needs a list of parameters, got one tensor; write [param].")
    found = list(params)
    if not found:
        raise UsageError("An optimizer needs parameters, got an empty list; was parameters() used up before?")
    if isinstance(found[0], dict):
        return [dict(group) for group in found]  # type: ignore[call-overload]  # all are groups, or torch says so
    return [{"params": found}]


def numbers_of(rule: Rule) -> dict[str, Any]:
    """Return each number of a rule and of what it holds, None included."""
    held = getattr(rule, "rule", None)
    inner = numbers_of(held) if isinstance(held, Rule) else {}
    return {**inner, **{name: getattr(rule, name) for name in knobs(type(rule))}}


def as_group(numbers: Mapping[str, Any]) -> Group:
    """Write numbers as torch's groups have them: beta1 and beta2 as the pair `betas`."""
    if not all(name in numbers for name in _PAIR):
        return dict(numbers)
    rest = {name: value for name, value in numbers.items() if name not in _PAIR}
    first = {"lr": rest.pop("lr")} if "lr" in rest else {}
    return {**first, "betas": (numbers["beta1"], numbers["beta2"]), **rest}


def from_group(group: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return a group's numbers by the rule's names for them."""
    pair = group.get("betas")
    return {name: pair[_PAIR.index(name)] if pair is not None and name in _PAIR else group[name] for name in names}


def check_group(rule: Rule, group: Group) -> None:
    """Let the rule check a new group's own numbers and write its betas as a pair; a rate of 0 stands still."""
    known = numbers_of(rule)
    if all(name in known for name in _PAIR) and (own := [name for name in _PAIR if name in group]):
        if "betas" in group:
            raise law("param group", "has betas or beta1 and beta2, not both", own[0], "Leave one of them out.")
        group["betas"] = tuple(group.pop(name, known[name]) for name in _PAIR)
    if "betas" in group and not all(name in known for name in _PAIR):
        raise law("param group betas=...", f"is for rules with beta1 and beta2; {rule.name} has none", group["betas"])
    check_pair(group.get("betas", (0.9, 0.999)))
    for name, value in from_group({**as_group(known), **group}, known).items():
        if value is not None and not isinstance(value, Tensor) and not (name == "lr" and value == 0):
            with_field(rule, name, value)


def check_pair(betas: Any) -> None:
    """Raise `UsageError` if betas are not two numbers."""
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise law("betas=...", "must be two numbers", betas, "Write betas=(0.9, 0.999), say.")


def check_tensors(group: Group) -> None:
    """Refuse what no rule here can train."""
    for param in group["params"]:
        tensor = param[1] if isinstance(param, tuple) else param
        if isinstance(tensor, Tensor) and tensor.is_complex():
            shown = f"one of shape {tuple(tensor.shape)} and type {tensor.dtype}"
            raise UsageError(f"Rules train real parameters, got {shown}; train torch.view_as_real of it.")


def hyper_of(group: Group, names: Iterable[str]) -> dict[str, float | Tensor]:
    """Return a group's numbers at this moment: floats, and tensors only where a step is to be captured."""
    pair = group.get("betas")
    hyper: dict[str, float | Tensor] = {}
    for name in names:
        value = pair[_PAIR.index(name)] if pair is not None and name in _PAIR else group[name]
        if value.__class__ is float:
            hyper[name] = value
        elif value is not None:
            keeps = isinstance(value, Tensor) and group["capturable"]
            hyper[name] = value if keeps else float(value)
    return hyper


def names_of(groups: Iterable[Group]) -> list[list[str]]:
    """Return the parameters' names by group: torch's `param_names`, or their places counted through."""
    places = itertools.count()
    found = [
        list(group["param_names"]) if "param_names" in group else [str(next(places)) for _ in group["params"]]
        for group in groups
    ]
    return [[_free(name) for name in names] for names in found]


def _free(name: str) -> str:
    return f"{name}_" if name == "all" else name  # a slot's number of the whole is called "all"


def check_names(groups: Iterable[Group]) -> None:
    """Raise `UsageError` for a name that two parameters have."""
    seen: set[str] = set()
    for name in itertools.chain.from_iterable(names_of(groups)):
        if name in seen:
            raise UsageError(f"Parameters must have different names, got {name!r} twice; name them by their place.")
        seen.add(name)


def each(groups: Iterable[Group]) -> Iterator[Tensor]:
    """Yield the parameters of all groups in their order."""
    for group in groups:
        yield from group["params"]


def widened(rule: Rule, groups: Iterable[Group]) -> Rule:
    """Return the rule with what is zero in it, but not in every group, switched on: its chain then serves them all."""
    for name, value in numbers_of(rule).items():
        own = [from_group(group, [name])[name] for group in groups]
        some = next((v for v in own if v is not None and not isinstance(v, Tensor) and v != 0), None)
        if not value and some is not None:
            rule = with_field(rule, name, some)
    return rule


def device_of(group: Group) -> torch.device:
    """Return where a group's counts are kept: beside its parameters where a step is to be captured, else on the CPU."""
    device: torch.device = group["params"][0].device if group["capturable"] else torch.device("cpu")
    return device
