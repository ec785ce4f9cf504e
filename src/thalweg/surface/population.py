"""Many members on one surface at once, each with its own start and its own hyperparameters.

Axis letters: P members, T steps.
"""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from thalweg.core import UnknownName, law
from thalweg.core.types import Params
from thalweg.rules import Rule, State, fit, take_step
from thalweg.schedules import Schedule
from thalweg.surface.base import Surface
from thalweg.surface.descent import check_walk, descend, draws_of, finder, is_sound, open_rule
from thalweg.surface.opening import open_surface
from thalweg.surface.pace import pace_of
from thalweg.surface.path import Path, judged


def descend_many(  # noqa: PLR0913 - the words of `descend`, and one more
    surface: Surface | str,
    rule: Rule | str,
    starts: Tensor,
    hyper: Mapping[str, Tensor] | None = None,
    *,
    steps: int = 100,
    schedule: Schedule | str | None = None,
    seed: int = 0,
    noise: float = 0.0,
) -> list[Path]:
    """Let P members go at once, by vmap over the same rule; member m is `descend` with its start and numbers.

    `starts` is (P, 2), or (2,) for all; `hyper` gives (P,) numbers by the name of a hyperparameter. Member m draws its
    noise with seed + m. The memory of a rule depends on the numbers it was made with: a population that varies momentum
    needs a rule that has some.

    >>> paths = descend_many("bowl", "sgd", torch.tensor([1.0, 1.0]), {"lr": torch.tensor([0.125, 0.25])}, steps=5)
    >>> [path.rule.lr for path in paths]
    [0.125, 0.25]
    """
    surface, rule = open_surface(surface), open_rule(rule)
    check_walk(steps, noise)
    many = {name: torch.as_tensor(values).to(torch.float64) for name, values in (hyper or {}).items()}
    starts_P2 = _starts(starts, many)
    members = [member(rule, {name: float(each[m]) for name, each in many.items()}) for m in range(len(starts_P2))]
    pace = pace_of(schedule, steps)
    if not (pace.reads or rule.needs_hessian):
        factors = pace.factors()
        draws_TP2 = torch.stack([draws_of(seed + m, steps, noise) for m in range(len(members))], dim=1)
        # Where vmap fails, a choice depends on numbers or one sick member spoiled a factorisation: then one by one.
        with contextlib.suppress(RuntimeError):
            points, alive = _walk(surface, rule, starts_P2, many=many, factors=factors, draws=draws_TP2)
            return [
                judged(surface, one, points[:, m], alive=alive[:, m], rates=one.lr * factors)
                for m, one in enumerate(members)
            ]
    return [
        descend(surface, one, (x, y), steps=steps, schedule=schedule, seed=seed + m, noise=noise)
        for m, (one, (x, y)) in enumerate(zip(members, starts_P2.tolist(), strict=True))
    ]


def member(rule: Rule, hyper: Mapping[str, float]) -> Rule:
    """Return the rule with these numbers, which may be those of a rule that it holds. Raises as the rule itself does.

    >>> from thalweg.rules import SGD
    >>> member(SGD(lr=0.1), {"lr": 0.5}).lr
    0.5
    """
    fields = {field.name for field in dataclasses.fields(rule)}  # type: ignore[arg-type]  # every rule is a dataclass
    own = {name: _whole(value, getattr(rule, name)) for name, value in hyper.items() if name in fields}
    inner = {name: value for name, value in hyper.items() if name not in fields}
    held = getattr(rule, "rule", None)
    if inner and not isinstance(held, Rule):
        raise UnknownName(f"hyperparameter of {rule.name}", min(inner), rule.hyper())
    changes: dict[str, Any] = {**own, "rule": member(held, inner)} if inner and isinstance(held, Rule) else {**own}
    return dataclasses.replace(rule, **changes)  # type: ignore[type-var]  # every rule is a dataclass


def _whole(value: float, like: object) -> float:
    """Return a number as a whole one where that is what it stands for."""
    return int(value) if isinstance(like, int) and value == int(value) else value


def _starts(starts: Tensor, many: Mapping[str, Tensor]) -> Tensor:
    """Return the starts as (P, 2), with P from the starts or from the numbers of the members."""
    given = torch.as_tensor(starts).to(torch.float64)
    if given.ndim not in (1, 2) or given.shape[-1] != 2 or not given.isfinite().all():
        raise law("descend_many(starts=...)", "must be finite and of shape (P, 2) or (2,)", tuple(given.shape))
    lengths = {tuple(values.shape) for values in many.values()} | ({given.shape[:1]} if given.ndim == 2 else set())
    if len(lengths) > 1 or any(len(shape) != 1 or not shape[0] for shape in lengths):
        raise law("descend_many(hyper=...)", "must hold tensors (P,), one number for each start", sorted(lengths))
    count = next(iter(lengths))[0] if lengths else 1
    return given.expand(count, 2)


def _walk(
    surface: Surface,
    rule: Rule,
    starts: Tensor,
    *,
    many: Mapping[str, Tensor],
    factors: Tensor,
    draws: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return the points (T + 1, P, 2), and of each step (T, P) whether it started from numbers."""
    fitted, fixed = fit(rule), rule.hyper()

    def begin(start: Tensor) -> tuple[Params, State]:
        params = {"point": start[None, :]}
        return params, fitted.init(params)

    def go(
        params: Params, state: State, own: dict[str, Tensor], draw: Tensor, factor: float, step: int
    ) -> tuple[Params, State, Tensor, Tensor]:
        hyper: dict[str, float | Tensor] = {**fixed, **own}
        hyper["lr"] = hyper["lr"] * factor
        taken = take_step(fitted, finder(surface, draw), params, state, hyper=hyper, step=step)
        point = fitted.evaluation(taken.params, taken.state, hyper)["point"][0]
        return taken.params, taken.state, point, is_sound(taken.loss, taken.grads)

    step_all = torch.func.vmap(go, in_dims=(0, 0, 0, 0, None, None))
    params, state = torch.func.vmap(begin)(starts)
    points, alive = [starts], []
    for step, factor in enumerate(factors.tolist()):
        params, state, point, sound = step_all(params, state, dict(many), draws[step], factor, step)
        points.append(point)
        alive.append(sound)
    return torch.stack(points), torch.stack(alive)
