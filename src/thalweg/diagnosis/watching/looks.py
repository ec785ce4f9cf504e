"""Chooses the stretches that are looked at whole, so that all measuring stays a small share of the time."""

import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.diagnosis.watching.fence import Fence
from thalweg.diagnosis.watching.places import here, is_users
from thalweg.diagnosis.watching.recorder import LONGEST, Recorder
from thalweg.diagnosis.watching.records import Look, Root
from thalweg.diagnosis.watching.samples import Samples

SHARE = 0.03  # of the time since the first step that looks may take
ALLOWANCE = 0.12  # seconds beside it, so that a short run is seen as well
_AGAIN = 0.5  # of it, for each optimizer that is made when steps have been taken: another stage of training
EARLY = 4  # steps that are always looked at
_SPACED = 20  # a look lies a twentieth of the steps so far behind the last one, so that no stretch takes all the room
_OVERDUE = 1.5  # times the step of the last look: then one is taken, whatever it costs
_MANY = 6  # networks and optimizers whose first steps are looked at; a search over settings makes hundreds
VIEW_LONGEST = LONGEST // 10
_VIEW_PART = 1.5  # evaluations may bring measuring up to so many times its share
_TRAIN_KEPT, _VIEWS_KEPT = 48, 24
_ROOM = 256 << 20  # bytes of tensors kept for all looks


class Looks:
    """Begin and end looks, and keep some of them. The one in progress is the fence's recorder."""

    def __init__(self, fence: Fence, samples: Samples, steps: Callable[[], int]) -> None:
        self._fence, self._case, self._samples, self._steps = fence, fence.case, samples, steps
        self.roots: dict[int, Root] = {}
        self.first = time.perf_counter()  # when the first backward pass began
        self._again = 0.0  # seconds
        self._next = self._next_view = self._stages = 0
        self._viewed = -1  # the step of the last view: what is evaluated beside it is looked at, too
        self.urgent = 0  # looks to be taken, whatever they cost
        self.blind = False
        self.guard: Any = None  # the no_grad block that a view lasts for
        self._last_cost = self._view_cost = 0.0

    @property
    def recorder(self) -> Recorder | None:
        """Return what writes down the look in progress."""
        return self._fence.recorder

    def is_viewing(self) -> bool:
        """Return whether the look in progress is one at an evaluation."""
        return self.recorder is not None and self.recorder.look.kind == "view"

    def may_look(self) -> bool:
        """Return whether the next step may be looked at."""
        if self.blind or self.recorder is not None:
            return False
        if self.urgent:
            self.urgent -= 1
            return True
        if self._steps() < self._next:
            return False
        elapsed = time.perf_counter() - self.first
        early = self._steps() < EARLY or self._steps() > _OVERDUE * self._next
        return early or self._case.watched + self._last_cost < self._again + ALLOWANCE + SHARE * elapsed

    def may_view(self) -> bool:
        """Return whether an evaluation that begins now may be looked at."""
        if self.blind or self.recorder is not None:
            return False
        if self._steps() < self._next_view and self._steps() != self._viewed:
            return False
        elapsed = time.perf_counter() - self.first
        room = _VIEW_PART * (self._again + ALLOWANCE + SHARE * elapsed)
        early = len(self._case.views) < 2 or self._steps() > _OVERDUE * self._next_view or self._is_second()
        return early or self._case.watched + self._view_cost < room

    def _is_second(self) -> bool:
        """Return whether one evaluation of this step was looked at, and no second one yet."""
        return self._steps() == self._viewed and sum(view.step == self._viewed for view in self._case.views[-2:]) == 1

    def expect_stage(self) -> None:
        """Look at the first steps of an optimizer or a network that is new, whenever they come."""
        self._stages += 1
        if self._stages > _MANY:
            return
        self.urgent = max(self.urgent, EARLY)
        if self._steps():
            self._again += _AGAIN * ALLOWANCE

    def begin(self, kind: Any, optimizers: Iterable[torch.optim.Optimizer], *, limit: int = LONGEST) -> None:
        """Begin a look, unless a mode of the script's own is at work: what we see would not be what it asked for."""
        if self.blind or torch._C._len_torch_function_stack() > _has_default_device():
            return
        look = Look(kind, self._steps())
        recorder = Recorder(look, self._called, self._fence.fault, limit=limit)
        self._samples.begin(optimizers)
        recorder.start()
        self._fence.recorder = recorder

    def end(self, *, keep: bool) -> None:
        """End the look in progress, if there is one; `keep` it as the look at a step."""
        recorder, self._fence.recorder, self.guard = self._fence.recorder, None, None
        if recorder is None:
            return
        recorder.stop()
        look = recorder.look
        self._case.watched += recorder.spent
        if look.kind == "train":
            self._last_cost = recorder.spent
            self._next = look.step + look.step // _SPACED
            if not look.whole:
                return
            if not keep and not look.losses():
                look.kind = "view"
        else:
            self._view_cost = recorder.spent
            self._next_view = look.step + look.step // _SPACED
            self._viewed = look.step
        shelf, most = (self._case.looks, _TRAIN_KEPT) if look.kind == "train" else (self._case.views, _VIEWS_KEPT)
        shelf.append(look)
        _thin(shelf, most)
        self._fit()

    def _fit(self) -> None:
        """Keep the tensors of all looks within their room: those in the middle go first."""
        for shelf in (self._case.looks, self._case.views):
            while len(shelf) > 2 and _unique_bytes(shelf) > _ROOM:
                del shelf[len(shelf) // 2]

    def _called(self, module: nn.Module) -> None:
        root = self.roots.get(id(module))
        if root is None or root.module is not module:
            root = self.roots[id(module)] = Root(module, _variable(module), here(2))
            if self._steps() and torch.is_grad_enabled():
                self.expect_stage()
        if torch.is_grad_enabled():
            root.trained += 1
        else:
            root.viewed += 1
        root.compiled = root.compiled or hasattr(module, "_orig_mod")


def _thin(shelf: list[Look], most: int) -> None:
    """Keep the first and the last looks whole and every second of those between."""
    if len(shelf) > most:
        edge = most // 4
        shelf[edge:-edge] = shelf[edge:-edge:2]


def _unique_bytes(shelf: list[Look]) -> int:
    kept = {_storage(tensor): tensor for look in shelf for tensor in look.tensors.values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())


def _storage(tensor: Tensor) -> int:
    return tensor.data_ptr() if tensor.layout is torch.strided else id(tensor)


def _variable(module: nn.Module) -> str:
    """Name a module as the script does, else by its class."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            for scope in (frame.f_locals, frame.f_globals):
                for name, value in scope.items():
                    if value is module and not name.startswith("_") and name != "self":
                        return name
        frame = frame.f_back
    return type(module).__name__


def _has_default_device() -> bool:
    """Return whether the one mode that may lie on the stack is the device that the script set for all it makes."""
    return getattr(sys.modules.get("torch.utils._device"), "CURRENT_DEVICE", None) is not None
