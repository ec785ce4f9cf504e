"""Keeps the curves: what was sent backward and at which rate, one entry a step, for about a microsecond."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from thalweg.diagnosis.watching.places import Place
from thalweg.diagnosis.watching.records import Case, Course

_ROOM = 512  # losses on an accelerator wait together before they are read: reading one waits for all work before it
_SOON = 50  # steps
_KEPT = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "betas", "eps", "alpha", "amsgrad", "maximize")


class Ledger:
    """Keep the curve of each optimizer of a case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._courses: dict[int, Course] = {}
        self._pending: list[Tensor | float] = []
        self._waiting: list[tuple[Course, int, list[Tensor | float]]] = []
        self.stale = False  # whether gradients were cleared since something was sent backward
        self._dropped = 0
        self._since = 0  # steps of the last curve when its optimizer was made
        self.deaf = False  # whether further losses belong to no step: a closure is called again
        self.last = math.nan  # what was sent backward last, as far as it is known yet
        self.lost = False  # whether a loss was no number since this was last set to False
        self.steps = 0
        self.places: dict[int, Place | None] = {}

    def take_over(self, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer | None:
        """Let an optimizer that was just made go on with the last curve, if it is that curve's made anew soon after:
        of one kind, for the same parameters. Returns the one whose place it takes.
        """
        last = self._case.courses[-1] if self._case.courses else None
        if last is None or last.optimizer is None or type(last.optimizer) is not type(optimizer):
            return None
        if last.steps - self._since > _SOON or _parameters(last.optimizer) != _parameters(optimizer):
            return None
        old, last.optimizer = last.optimizer, optimizer
        self._courses.pop(id(old), None)  # it may go, and another come under its number
        self._courses[id(optimizer)] = last
        self._since = last.steps
        last.remade += 1
        return old

    def drop(self) -> bool:
        """Forget what was sent backward if its gradients were cleared and it begins anew; return whether."""
        stale, self.stale = self.stale, False
        if stale:
            self._dropped += len(self._pending)
            self._pending = []
        return stale

    def backward(self, loss: Tensor) -> None:
        """Take in what is sent backward."""
        value = loss.detach()
        if value.numel() != 1:
            value = value.sum()
        known: Tensor | float = (
            value.item() if value.device.type == "cpu" else value.clone()
        )  # it may be changed in place
        self.last = math.nan
        if isinstance(known, int | float):
            self.last = known = float(known)
            self.lost = self.lost or not math.isfinite(known)
        if not self.deaf:
            self._pending.append(known)

    @property
    def pending(self) -> int:
        return len(self._pending)

    def step(self, optimizer: torch.optim.Optimizer | None) -> Course:
        """Close a step of an optimizer with what was sent backward since the last step of any."""
        course = self._courses.get(id(optimizer))
        if course is None:
            course = self._open(optimizer)
        if optimizer is not None:
            rates = tuple([float(group["lr"]) if "lr" in group else math.nan for group in optimizer.param_groups])
            if not course.rates or course.rates[-1][1] != rates:
                course.rates.append((course.steps, rates))
        losses, self._pending, self.deaf, self.stale = self._pending, [], False, False
        course.discarded, self._dropped = course.discarded + self._dropped, 0
        if all(isinstance(value, float) for value in losses):
            course.losses.append(sum(losses) if losses else math.nan)  # type: ignore[arg-type]
        else:
            course.losses.append(math.nan)
            self._waiting.append((course, course.steps - 1, losses))
            if len(self._waiting) >= _ROOM:
                self.settle()
        course.backwards.append(len(losses))
        course.times.append(time.perf_counter())
        self.steps += 1
        return course

    def settle(self) -> None:
        """Read the losses that wait on an accelerator."""
        waiting, self._waiting = self._waiting, []
        for course, place, losses in waiting:
            course.losses[place] = value = sum(float(loss) for loss in losses)
            self.lost = self.lost or not math.isfinite(value)

    def _open(self, optimizer: torch.optim.Optimizer | None) -> Course:
        course = Course(optimizer, self.places.get(id(optimizer)))
        if optimizer is not None:
            course.first_settings = [_settings(group) for group in optimizer.param_groups]
        self._courses[id(optimizer)] = course
        self._case.courses.append(course)
        self._since = 0
        return course


def _parameters(optimizer: torch.optim.Optimizer) -> list[int]:
    return [id(p) for group in optimizer.param_groups for p in group["params"]]


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: float(v) if isinstance(v, Tensor) else v for key, v in group.items() if key in _KEPT}
