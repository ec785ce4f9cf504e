"""Letting rules go down a surface. The point lies in a matrix (1, 2), so that rules for matrices work too."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor

from thalweg.core import UsageError, law, read_component
from thalweg.core.random import generator
from thalweg.core.types import Params
from thalweg.rules import RULES, Rule, fit, take_step
from thalweg.schedules import Schedule
from thalweg.surface.base import Surface, as_point
from thalweg.surface.opening import open_surface, text_of
from thalweg.surface.pace import pace_of
from thalweg.surface.path import Path, judged

Find: TypeAlias = Callable[[Params], tuple[Tensor, Params]]
MOST_STEPS: Final = 100_000
_NoFactors: Final[type[RuntimeError]] = torch.linalg.LinAlgError  # type: ignore[attr-defined]  # torch lists it not


def descend(
    surface: Surface | str,
    rule: Rule | str,
    start: tuple[float, float] | None = None,
    *,
    steps: int = 100,
    schedule: Schedule | str | None = None,
    seed: int = 0,
    noise: float = 0.0,
) -> Path:
    """Take `steps` steps of a rule from `start` (the surface's own if None) and return the path.

    Surface, rule and schedule may be given as text: "ravine(condition=100)" or a formula, "adam(lr=0.1)", "constant".
    `noise` is the deviation of the normal noise in each coordinate of the gradient; step k of a seed always draws the
    same, so rules that race meet the same noise. A path that is lost is data: see `Path.outcome`.

    >>> descend("bowl(a=1, b=1)", "sgd(lr=0.5)", (3.0, 4.0), steps=1).end
    (0.0, 0.0)
    """
    surface, rule = open_surface(surface), open_rule(rule)
    point = surface.landmarks().start if start is None else as_point(start, "descend(start=...)")
    check_walk(steps, noise)
    pace, draws = pace_of(schedule, steps), draws_of(seed, steps, noise)
    rates = rule.lr * pace.factors()
    losses: list[float] = []
    fitted, hyper = fit(rule), rule.hyper()
    params: Params = {"point": torch.tensor([point], dtype=torch.float64)}
    state = fitted.init(params)
    points, alive = torch.full((steps + 1, 2), math.nan, dtype=torch.float64), torch.zeros(steps, dtype=torch.bool)
    points[0] = params["point"][0]
    for step in range(steps):
        if pace.reads:
            rates[step] = rule.lr * pace.factor(step, losses)
        now = {**hyper, "lr": float(rates[step])}
        try:
            taken = take_step(fitted, finder(surface, draws[step]), params, state, hyper=now, step=step)
        except _NoFactors:  # of what is no number, or of a matrix that has none
            break
        alive[step] = is_sound(taken.loss, taken.grads)
        if not alive[step]:
            break
        params, state = taken.params, taken.state
        losses.append(float(taken.loss))
        points[step + 1] = fitted.evaluation(params, state, now)["point"][0]
    return judged(surface, rule, points, alive=alive, rates=rates)


def race(
    surface: Surface | str,
    rules: Sequence[Rule | str] | Mapping[str, Rule | str],
    start: tuple[float, float] | None = None,
    *,
    steps: int = 100,
    schedule: Schedule | str | None = None,
    seed: int = 0,
    noise: float = 0.0,
) -> dict[str, Path]:
    """Let several rules start from one point and meet the same noise; return their paths by name.

    Without names of your own a rule is called by the text that was given for it, or that makes it.

    >>> list(race("bowl", ["sgd", "adam(lr=0.1)"], steps=3))
    ['sgd', 'adam(lr=0.1)']
    """
    surface = open_surface(surface)
    if isinstance(rules, Mapping):
        named = {name: open_rule(rule) for name, rule in rules.items()}
    else:
        names = [rule if isinstance(rule, str) else text_of(rule) for rule in rules]
        named = dict(zip(names, map(open_rule, rules), strict=True))
        if len(named) < len(names):
            raise UsageError(f"`race(rules=...)` must not have a rule twice, got {', '.join(names)}.")
    if not named:
        raise law("race(rules=...)", "must have one rule or more", rules)
    return {
        name: descend(surface, rule, start, steps=steps, schedule=schedule, seed=seed, noise=noise)
        for name, rule in named.items()
    }


def finder(surface: Surface, draw: Tensor) -> Find:
    """Return the function that finds loss and gradient, with this noise (2,) in the gradient."""

    def loss_of(params: Params) -> Tensor:
        point = params["point"]
        return surface.value(point[0, 0], point[0, 1])

    differentiate = torch.func.grad_and_value(loss_of)

    def find(params: Params) -> tuple[Tensor, Params]:
        grads, loss = differentiate(params)
        return loss, {"point": grads["point"] + draw}

    return find


def is_sound(loss: Tensor, grads: Params) -> Tensor:
    """Tell whether loss and gradient are numbers."""
    return loss.isfinite() & grads["point"].isfinite().all()


def open_rule(rule: Rule | str) -> Rule:
    """Return a rule, read from its text if it is one."""
    return read_component(RULES, rule, "rule") if isinstance(rule, str) else rule


def draws_of(seed: int, steps: int, noise: float) -> Tensor:
    """Return the noise (T, 2); row k depends on seed, k and the deviation alone."""
    if not noise:
        return torch.zeros(steps, 2, dtype=torch.float64)
    rows = [
        torch.randn(2, dtype=torch.float64, generator=generator(seed, "surface.noise", step)) for step in range(steps)
    ]
    return noise * torch.stack(rows)


def check_walk(steps: int, noise: float) -> None:
    """Raise `UsageError` for a number of steps or a noise that cannot be."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise law("descend(steps=...)", f"must be a whole number from 1 to {MOST_STEPS}", steps)
    if not 0 <= noise < math.inf:
        raise law("descend(noise=...)", "must lie in [0, inf)", noise)
