"""A class of torch's kind for each rule of the catalogue, made when it is first asked for."""

import dataclasses
import functools
import inspect
from typing import Any

from thalweg.core import UnknownName, UsageError, law, read_component
from thalweg.optim.groups import OPTIONS, Parameters, check_pair
from thalweg.optim.optimizer import RuleOptimizer
from thalweg.rules import RULES, Around, Rule


def from_rule(
    rule: Rule | str, params: Parameters, *, maximize: bool = False, capturable: bool = False
) -> RuleOptimizer:
    """Return an optimizer that follows a rule, or the text of one: "adamw(lr=1e-3)+ema".

    >>> from_rule("sgd(lr=0.5)+clip-norm", [torch.ones(2, requires_grad=True)]).param_groups[0]["lr"]
    0.5
    """
    made = read_component(RULES, rule, "rule") if isinstance(rule, str) else rule
    if not isinstance(made, Rule):
        raise law("from_rule(rule=...)", "must be a rule or the text of one", rule)
    kind = class_of(type(made))
    optimizer = kind.__new__(kind)
    RuleOptimizer.__init__(optimizer, params, made, maximize=maximize, capturable=capturable)
    return optimizer


@functools.cache
def class_of(kind: type[Rule]) -> type[RuleOptimizer]:
    """Return the optimizer of a kind of rule: its arguments are parameters, then the rule's fields."""

    def begin(self: RuleOptimizer, params: Parameters, *first: Any, **fields: Any) -> None:
        options = {name: bool(fields.pop(name, False)) for name in OPTIONS}
        RuleOptimizer.__init__(self, params, _rule(kind, first, fields), **options)

    tail = "First argument: see `RuleOptimizer`; the others are the rule's fields."
    doc = f"{inspect.cleandoc(kind.__doc__ or '')}\n\n{tail}"
    begin.__signature__ = _signature(kind)  # type: ignore[attr-defined]
    names = {"__init__": begin, "__doc__": doc, "__module__": "thalweg.optim", "__qualname__": kind.__name__}
    return type(kind.__name__, (RuleOptimizer,), names)


def _rule(kind: type[Rule], first: tuple[Any, ...], fields: dict[str, Any]) -> Rule:
    call = f"tw.optim.{kind.__name__}"
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # every final member is one
    if len(first) > 1 or (first and names and names[0] in fields):
        raise law(f"{call}(params, ...)", "takes its numbers by name", first, f"Write {names[0]}=..., say.")
    given = {**dict(zip(names, first, strict=False)), **fields}
    if "betas" in given and {"beta1", "beta2"} <= set(names):
        if twice := {"beta1", "beta2"} & given.keys():
            raise law(f"{call}(betas=...)", "stands for beta1 and beta2", sorted(twice)[0], "Leave one of them out.")
        check_pair(given["betas"])
        given["beta1"], given["beta2"] = given.pop("betas")
    for name in given:
        if name not in names:
            raise UnknownName(f"argument of {call}", name, [*names, *OPTIONS])
    if issubclass(kind, Around) and "rule" not in given:
        raise UsageError(f"`{call}(rule=...)` must hold a rule, got none. Write rule=tw.rules.AdamW(), say.")
    return kind(**given)


def _signature(kind: type[Rule]) -> inspect.Signature:
    """Return what the class takes, for help and completion."""
    free, named = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    found = [inspect.Parameter("self", free), inspect.Parameter("params", free)]
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    for place, field in enumerate(fields):
        default = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
        found.append(inspect.Parameter(field.name, named if place else free, default=default))
    if {"beta1", "beta2"} <= {field.name for field in fields}:
        found.append(inspect.Parameter("betas", named, default=None))
    return inspect.Signature([*found, *(inspect.Parameter(name, named, default=False) for name in OPTIONS)])
