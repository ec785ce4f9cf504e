"""Trains again for some steps on the looks of a case, with one thing changed."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from thalweg.diagnosis.replay.play import CannotPlay, can_play, play
from thalweg.diagnosis.watching import Case, Course, Look

Swap = Callable[[Look], Mapping[int, Tensor]]  # the values to put in the place of a look's own


def playable(case: Case) -> list[Look]:
    """Return the looks that can be run again; none where two optimizers play against each other."""
    if sum(course.optimizer is not None and course.steps > 0 for course in case.courses) != 1:
        return []
    return [look for look in case.looks if can_play(look)]


def loss_of(look: Look, *, swap: Mapping[int, Tensor] | None = None, grad: bool = True) -> Tensor:
    """Return the loss of a look with today's weights: the sum of what was sent backward. Raises `CannotPlay`."""
    numbers = look.losses()
    values = play(look, numbers, swap=swap, grad=grad)
    return sum((values[number].sum() for number in numbers), torch.zeros(()))


def losses_of(looks: Sequence[Look], *, swap: Swap | None = None) -> list[float]:
    """Return the losses of looks with today's weights, without gradients."""
    return [float(loss_of(look, swap=swap(look) if swap else None, grad=False).detach()) for look in looks]


def rerun(  # noqa: PLR0913 - each experiment names the one thing it changes
    course: Course, looks: Sequence[Look], steps: int, *, settings: Mapping[str, Any] | None = None,
    rate: float = 1.0, optimizer: torch.optim.Optimizer | None = None, swap: Swap | None = None,
    clip: float | None = None, until: float | None = None,
) -> list[float]:  # fmt: skip
    """Take steps on the looks in turn, from today's weights, and return the loss at each.

    The course's own optimizer takes them with an empty memory and its first settings, its rate times `rate`, `settings`
    instead of its own; or another one. It ends early where a loss is no number or the clock passes `until`
    (`time.perf_counter`). Its memory and settings are as before afterwards. Raises `CannotPlay`.
    """
    if course.optimizer is None and optimizer is None:
        raise CannotPlay("weights are changed by hand")
    losses: list[float] = []
    lent = contextlib.nullcontext(optimizer) if optimizer is not None else fresh(course, rate, settings or {})
    with lent as taker:
        assert taker is not None
        for step in range(steps):
            look = looks[step % len(looks)]
            loss, went = _step(taker, look, swap(look) if swap else None, clip)
            losses.append(loss)
            if not went:
                break
            if until is not None and time.perf_counter() > until:
                break
    return losses


def _step(
    taker: torch.optim.Optimizer, look: Look, swap: Mapping[int, Tensor] | None, clip: float | None
) -> tuple[float, bool]:
    """Take one step; return its loss and whether it was taken: not where the loss is no number or has no gradient."""
    went = False

    def backward() -> float:
        nonlocal went
        taker.zero_grad()
        with torch.enable_grad():
            loss = loss_of(look, swap=swap)
            value = float(loss.detach())
            went = math.isfinite(value) and loss.requires_grad
            if went:
                loss.backward()
        return value

    if isinstance(taker, torch.optim.LBFGS):  # asks for further losses within its step
        return taker.step(backward), went
    value = backward()
    if went:
        if clip is not None:
            torch.nn.utils.clip_grad_norm_([p for g in taker.param_groups for p in g["params"]], clip)
        taker.step()
    return value, went


@contextlib.contextmanager
def fresh(course: Course, rate: float, settings: Mapping[str, Any]) -> Iterator[torch.optim.Optimizer]:
    """Lend a course's optimizer as it was before its first step."""
    optimizer = course.optimizer
    assert optimizer is not None
    memory = dict(optimizer.state)
    groups = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    optimizer.state.clear()
    for group, first in zip(optimizer.param_groups, course.first_settings, strict=False):
        group.update({key: value for key, value in first.items() if key in group})
        group.update({key: value for key, value in settings.items() if key in group})
        if "lr" in group:
            group["lr"] = float(group["lr"]) * rate
    try:
        yield optimizer
    finally:
        optimizer.state.clear()
        optimizer.state.update(memory)
        for group, before in zip(optimizer.param_groups, groups, strict=False):
            group.update(before)
