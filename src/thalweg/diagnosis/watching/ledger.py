"""Keeps the curves: what was sent backward and at which rate, one entry a step, for about a microsecond."""

import math
import time
from typing import Any

import torch
from torch import Tensor

from thalweg.diagnosis.watching.places import Place
from thalweg.diagnosis.watching.records import Case, Course

_ROOM = 512  # losses on an accelerator wait together before they are read: reading one waits for all work before it
_KEPT = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "betas", "eps", "alpha", "amsgrad", "maximize")


class Ledger:
    """Keep the curve of each optimizer of a case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._courses: dict[int, Course] = {}
        self._pending: list[Tensor | float] = []
        self._waiting: list[tuple[Course, int, list[Tensor | float]]] = []
        self.deaf = False  # whether further losses belong to no step: a closure is called again
        self.last = math.nan  # what was sent backward last, as far as it is known yet
        self.lost = False  # whether a loss was no number since this was last set to False
        self.steps = 0
        self.places: dict[int, Place | None] = {}

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
        losses, self._pending, self.deaf = self._pending, [], False
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
        return course


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {key: float(v) if isinstance(v, Tensor) else v for key, v in group.items() if key in _KEPT}
