"""Watches somebody else's loop. It reads and never changes: results with and without it are the same to the last bit.

Every step costs a few microseconds (its loss and rate are noted). Some steps are looked at whole, chosen so that all
measuring stays under a small share of the time; those are what probes and trials work on afterwards.
"""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.diagnosis.watching.fence import Fence
from thalweg.diagnosis.watching.ledger import Ledger
from thalweg.diagnosis.watching.looks import VIEW_LONGEST, Looks
from thalweg.diagnosis.watching.patches import Patches
from thalweg.diagnosis.watching.places import asked_by_user, here
from thalweg.diagnosis.watching.recorder import Recorder, sweep
from thalweg.diagnosis.watching.records import Case
from thalweg.diagnosis.watching.samples import Samples, copy_of_start, fingerprint
from thalweg.diagnosis.watching.surroundings import Surroundings

_FIRST = 3  # backward passes after which gradients are looked for
_URGENT = 24  # looks after a loss was no number, whatever they cost
_LONGEST_SPAN = 4  # steps of one look
_FINGERPRINTS = 25  # steps from one fingerprint to the next, where several processes train together


class Enough(BaseException):
    """End a script that was asked to run for so many steps or seconds only."""


class Watch:
    """Watch what trains between `attach` and `detach`; `case()` is what was seen."""

    def __init__(self) -> None:
        self.attached = False
        self._begin()
        self._patches = Patches(self)

    def _begin(self) -> None:
        self._case = Case()
        self.fence = Fence(self._case, on=self.attached)
        self._ledger = Ledger(self._case)
        self._samples = Samples(self._case)
        self._looks = Looks(self.fence, self._samples, self._steps)
        self.around = Surroundings(self.fence, self._steps)
        self._optimizers: list[torch.optim.Optimizer] = []
        self._recent: deque[int] = deque(maxlen=8)  # optimizers of the last steps
        self._copied = 0  # optimizers whose parameters' start is kept
        self._begun = time.perf_counter()
        self._limits: tuple[int | None, float | None] = (None, None)
        self._resting: Recorder | None = None  # what rests while an optimizer takes a step
        self._has_closure = False  # whether the step being taken calls the script for losses
        self._step: FrameType | None = None  # torch's frame around the step being taken
        self._in_call = self._sending = False
        self.fingerprints: list[list[Any]] = []
        self._forked = False

    def _steps(self) -> int:
        return self._ledger.steps

    # -- on and off

    def attach(self) -> None:
        """Begin to watch."""
        self.attached = True
        self._begin()
        self._patches.put()

    def detach(self) -> None:
        """Stop watching; torch is as it was before."""
        if self.attached:
            self.fence.on = self.attached = False
            with self.fence.ours():
                if not self._optimizers and self._ledger.pending:
                    self._ledger.step(None)
                self._looks.end(keep=False)
            sweep()
            self._patches.take_off()
            self._ledger.settle()
            self._case.seconds = time.perf_counter() - self._begun

    def limit(self, *, max_steps: int | None = None, max_seconds: float | None = None) -> None:
        """Ask for `Enough` to be raised after so many optimizer steps or seconds."""
        self._limits = (max_steps, max_seconds)

    def child(self) -> None:
        """Forget what the parent saw, in a process that was forked from it."""
        recorder, limits = self._looks.recorder, self._limits
        if recorder is not None:
            recorder.stop()
        self._begin()
        self._forked, self._limits = True, limits

    def case(self) -> Case:
        """Return what was seen so far."""
        self._ledger.settle()
        case = self._case
        case.seconds = case.seconds or time.perf_counter() - self._begun
        case.roots = list(self._looks.roots.values())
        case.loaders = list(self.around.loaders.values())
        self._samples.name_all()
        return case

    # -- backward passes

    def around_call(self, original: Callable[..., Any], tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Call `Tensor.backward`: once it is over a look that ended in it leaves nothing behind."""
        if self._in_call or self.fence.shut:
            return original(tensor, *args, **kwargs)
        self._in_call = True
        try:
            return original(tensor, *args, **kwargs)
        finally:
            self._in_call = False
            self._after_backward()

    def around_backward(self, original: Callable[..., None], tensors: Any, *args: Any, **kwargs: Any) -> None:
        """Note the losses that are sent backward, not what a backward pass itself sends on its way."""
        if self._sending or self.fence.shut:
            return original(tensors, *args, **kwargs)
        with self.fence.ours():
            self._before_backward((tensors,) if isinstance(tensors, Tensor) else tuple(tensors))
        if not self._optimizers:
            self._check_limits()
        recorder = self._looks.recorder
        self._sending = True
        try:
            with recorder.resting() if recorder is not None else contextlib.nullcontext():
                return original(tensors, *args, **kwargs)
        finally:
            self._sending = False
            if not self._in_call:
                self._after_backward()

    def _before_backward(self, losses: tuple[Tensor, ...]) -> None:
        if not self._optimizers and self._ledger.pending:
            self._count(None)
        if len(self._optimizers) > self._copied or not self._case.start:
            self._looks.first = self._looks.first if self._ledger.steps else time.perf_counter()
            self._copied = len(self._optimizers)
            roots = [root.module for root in self._looks.roots.values()]
            self._case.start += copy_of_start(self._optimizers, roots, self._case.start)
        if self._ledger.drop() and self._looks.recorder is not None:
            self._looks.recorder.event("discard")
        for loss in losses:
            self._ledger.backward(loss)
        self._case.backwards += 1
        if self._optimizers and self._case.sent is None:
            self._case.sent = here(2)
        recorder = self._looks.recorder
        if recorder is not None and not self._ledger.deaf:
            recorder.event("backward", losses)
            self._samples.at_backward(self._optimizers)
        if self._ledger.lost and self._case.broken is None:
            self._case.broken = (self._ledger.steps, self._samples.broken(losses[0], self._optimizers))
            self._looks.urgent = _URGENT

    def _after_backward(self) -> None:
        sweep()
        if self._case.backwards <= _FIRST and not self._case.reached:
            groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
            self._case.reached = any(p.grad is not None for group in groups for p in group["params"])
        if not self._optimizers and not self.fence.shut:
            with self.fence.ours():
                self._turn()

    def _turn(self) -> None:
        """End a look where weights are changed by hand: at its backward pass, for nothing tells of the change."""
        recorder = self._looks.recorder
        if recorder is not None:
            recorder.look.step, recorder.look.loss = self._ledger.steps, self._ledger.last
            self._looks.end(keep=recorder.look.kind == "train")
        if self._looks.may_look():
            self._looks.begin("train", self._optimizers)

    # -- steps

    def before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Note that a step begins, not what an optimizer asks of another, or of its own class, to take it."""
        caller = sys._getframe(1)
        if self.fence.shut or _is_running(self._step, caller):
            return
        self._step = caller
        recorder = self._looks.recorder
        if self._resting is not None:  # the last step was never finished
            self._wake(whole=False)
        self._ledger.deaf = False
        self._has_closure = (len(args) > 1 and args[1] is not None) or kwargs.get("closure") is not None
        if recorder is None:
            return
        with self.fence.ours():
            recorder.event("step", optimizer=optimizer)
            self._samples.before_step(optimizer, recorder.look)
        if not self._has_closure:
            self._rest(recorder)

    def after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Note that a step was taken."""
        if self.fence.shut or self._step is not sys._getframe(1):
            return
        self._step = None
        self._wake()
        self._has_closure = False
        with self.fence.ours():
            if self._looks.recorder is not None:
                self._samples.after_step(optimizer, self._looks.recorder.look)
            self._close_step(optimizer)
        self._check_limits()

    def cleared(self, *args: Any, **kwargs: Any) -> None:
        """Note that gradients were cleared; within a step the closure's first loss is the step's, as LBFGS has it."""
        recorder = self._looks.recorder
        if recorder is not None:
            recorder.event("zero_grad")
        if self._has_closure and self._ledger.pending and not self._ledger.deaf:
            self._ledger.deaf = True
            if recorder is not None:
                self._rest(recorder)
        elif self._step is None and len(self._optimizers) == 1 and self._ledger.pending:
            self._ledger.stale = True  # of one optimizer: among several, others may still need them

    def _rest(self, recorder: Recorder) -> None:
        recorder.paused += 1
        self._resting = recorder

    def _wake(self, *, whole: bool = True) -> None:
        recorder, self._resting = self._resting, None
        if recorder is not None:
            recorder.paused -= 1
            recorder.look.whole = recorder.look.whole and whole

    def _count(self, optimizer: torch.optim.Optimizer | None) -> float:
        if optimizer is not None and not any(known is optimizer for known in self._optimizers):
            self._optimizers.append(optimizer)
        course = self._ledger.step(optimizer)
        course.stepped = course.stepped or here(2)
        self._recent.append(id(optimizer))
        steps = self._ledger.steps
        if (self._forked or _distributed()) and (steps & (steps - 1) == 0 or steps % _FINGERPRINTS == 0):
            self.fingerprints.append([steps, fingerprint(self._optimizers)])
        return course.losses[-1]

    def _close_step(self, optimizer: torch.optim.Optimizer) -> None:
        loss, recorder = self._count(optimizer), self._looks.recorder
        if recorder is not None:
            look = recorder.look
            look.loss = loss
            if look.kind == "view" or sum(1 for _ in look.events("step")) >= self._span:
                self._looks.end(keep=True)  # an evaluation is over where training goes on
        if self._looks.may_look():
            self._looks.begin("train", self._optimizers)

    @property
    def _span(self) -> int:
        """Steps of one look: one of each optimizer that is in use."""
        return min(max(1, len(set(self._recent))), _LONGEST_SPAN)

    def _check_limits(self) -> None:
        steps, seconds = self._limits
        if steps is not None and self._ledger.steps >= steps:
            raise Enough
        if seconds is not None and time.perf_counter() - self._begun >= seconds:
            raise Enough

    # -- evaluations

    def guard_entered(self, guard: Any) -> None:
        """Begin to look at what the script does without gradients."""
        sweep()
        if self._looks.may_view() and asked_by_user():
            self._looks.begin("view", self._optimizers, limit=VIEW_LONGEST)
            self._looks.guard = guard

    def guard_left(self, guard: Any, *error: Any) -> None:
        """End the look at it."""
        if self._looks.guard is guard and self._looks.is_viewing():
            self._looks.end(keep=True)

    def around_train(self, original: Callable[..., Any], module: nn.Module, mode: bool = True) -> Any:
        """Note a change of mode; an evaluation lasts from one to the next."""
        if module.training == mode or self.fence.shut:
            return original(module, mode)
        with self.fence.ours():
            self.around.note("mode", (id(module), mode))
            if mode and self._looks.guard is None and self._looks.is_viewing():
                self._looks.end(keep=True)
            elif not mode and self._looks.may_view():
                self._looks.begin("view", self._optimizers, limit=VIEW_LONGEST)
        with self._silently():  # its children are told by torch itself
            return original(module, mode)

    @contextlib.contextmanager
    def _silently(self) -> Iterator[None]:
        self.fence.busy = True
        try:
            yield
        finally:
            self.fence.busy = False

    # -- what is seen from within

    def optimizer_made(self, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
        """Note where an optimizer is made; its first steps are looked at, whenever they come."""
        self._ledger.places[id(optimizer)] = here(2)
        old = self._ledger.take_over(optimizer)
        self._optimizers = [known for known in self._optimizers if known is not old]  # it would live on with its memory
        self._optimizers.append(optimizer)
        if old is None:
            self.around.note("optimizer", optimizer)
            self._looks.expect_stage()
        if self._looks.recorder is None and not self._ledger.steps:
            self._looks.begin("train", self._optimizers)

    def around_apply(self, original: Callable[..., Any], function: type, *args: Any, **kwargs: Any) -> Any:
        """Let a look see an autograd function of the script's as one operation."""
        recorder = self._looks.recorder
        if recorder is None or self.fence.shut:
            return original(function, *args, **kwargs)
        return recorder.apply(MethodType(original, function), args, kwargs)

    def compiling(self, model: Any = None, *args: Any, **kwargs: Any) -> None:
        """Note that something is compiled; what a compiled function does cannot be seen."""
        if isinstance(model, nn.Module) or isinstance(getattr(model, "__self__", None), nn.Module):
            self._case.unseen.append("compiled_model")
        else:
            self._looks.blind = True
            self._looks.end(keep=False)
            self._case.unseen.append("compiled_function")


def _is_running(wanted: FrameType | None, frame: FrameType | None) -> bool:
    while wanted is not None and frame is not None:
        if frame is wanted:
            return True
        frame = frame.f_back
    return False


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
