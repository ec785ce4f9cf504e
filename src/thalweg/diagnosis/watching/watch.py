"""Watches somebody else's loop. It reads and never changes: results with and without it are the same to the last bit.

Every step costs a few microseconds (its loss and rate are noted). Some steps are looked at whole, chosen so that all
measuring stays under `SHARE` of the time; those are what probes and trials work on afterwards.
"""

import contextlib
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.diagnosis.watching.ledger import Ledger
from thalweg.diagnosis.watching.patches import Patches
from thalweg.diagnosis.watching.places import chain, here, is_users
from thalweg.diagnosis.watching.records import Case, Load, Loader, Look, Note, Root
from thalweg.diagnosis.watching.recorder import LONGEST, Recorder
from thalweg.diagnosis.watching.samples import Samples, copy_of_start, fingerprint

SHARE = 0.03  # of the time since the first step that looks may take
ALLOWANCE = 0.1  # seconds beside it, so that a short run is seen as well
EARLY = 4  # steps that are always looked at
_MANY = 6  # optimizers whose first steps are looked at; a search over settings makes hundreds
_URGENT = 24  # looks after a loss was no number, whatever they cost
_TRAIN_KEPT, _VIEWS_KEPT = 48, 24
_ROOM = 256 << 20  # bytes of tensors kept for all looks


class Enough(BaseException):
    """Ends a script that was asked to run for so many steps or seconds only."""


class Watch:
    """Watch what trains between `attach` and `detach`; `case()` is what was seen."""

    def __init__(self) -> None:
        self._patches = Patches(self)
        self.attached = False
        self._begin()

    def _begin(self) -> None:
        self._case = Case()
        self._ledger = Ledger(self._case)
        self._samples = Samples(self._case)
        self._recorder: Recorder | None = None
        self._guard: Any = None  # the no_grad block that a view lasts for
        self._process, self._thread = os.getpid(), threading.get_ident()
        self._busy = self._blind = False
        self._optimizers: list[torch.optim.Optimizer] = []
        self._recent: deque[int] = deque(maxlen=8)  # optimizers of the last steps
        self._copied = 0  # optimizers whose parameters' start is kept
        self._begun = self._first = time.perf_counter()
        self._last_cost = self._view_cost = 0.0
        self._urgent = 0
        self._limits: tuple[int | None, float | None] = (None, None)
        self._roots: dict[int, Root] = {}
        self._loaders: dict[int, Loader] = {}
        self._iterators: dict[int, Loader] = {}
        self.fingerprints: list[list[Any]] = []
        self._forked = False

    # -- on and off

    def attach(self) -> None:
        """Begin to watch."""
        self._begin()
        self._patches.put()
        self.attached = True

    def detach(self) -> None:
        """Stop watching; torch is as it was before."""
        if self.attached:
            self._end_look(keep=False)
            self._patches.take_off()
            self.attached = False
            self._ledger.settle()
            self._case.seconds = time.perf_counter() - self._begun

    def limit(self, *, max_steps: int | None = None, max_seconds: float | None = None) -> None:
        """Ask for `Enough` to be raised after so many optimizer steps or seconds."""
        self._limits = (max_steps, max_seconds)

    def child(self) -> None:
        """Forget what the parent saw, in a process that was forked from it."""
        recorder = self._recorder
        limits = self._limits
        if recorder is not None:
            recorder.stop()
        self._begin()
        self._forked, self._limits = True, limits

    def case(self) -> Case:
        """Return what was seen so far."""
        self._ledger.settle()
        case = self._case
        case.seconds = case.seconds or time.perf_counter() - self._begun
        case.roots = list(self._roots.values())
        case.loaders = list(self._loaders.values())
        self._samples.name_all()
        return case

    def safely(self, note: Callable[..., None], *args: Any, **kwargs: Any) -> None:
        """Call one of ours; what goes wrong there is written down and goes no further."""
        if self._busy or self._process != os.getpid() or self._thread != threading.get_ident():
            return
        with self._ours():
            note(*args, **kwargs)

    @contextlib.contextmanager
    def _ours(self) -> Iterator[None]:
        recorder = self._recorder
        begun = time.perf_counter()
        self._busy = True
        if recorder is not None:
            recorder.paused += 1
        try:
            yield
        except Enough:
            raise
        except Exception as error:
            if len(self._case.faults) < 8:
                frame = error.__traceback__
                while frame is not None and frame.tb_next is not None:
                    frame = frame.tb_next
                line = f"{os.path.basename(frame.tb_frame.f_code.co_filename)}:{frame.tb_lineno}" if frame else "?"
                self._case.faults.append(f"{line}: {type(error).__name__}: {error}")
        finally:
            if recorder is not None:
                recorder.paused -= 1
            self._busy = False
            self._case.watched += time.perf_counter() - begun

    # -- steps

    def around_backward(self, original: Callable[..., None], tensors: Any, *args: Any, **kwargs: Any) -> None:
        if self._busy or self._process != os.getpid() or self._thread != threading.get_ident():
            return original(tensors, *args, **kwargs)
        with self._ours():
            self._before_backward((tensors,) if isinstance(tensors, Tensor) else tuple(tensors))
        recorder = self._recorder
        if recorder is not None:
            recorder.paused += 1
        try:
            return original(tensors, *args, **kwargs)
        finally:
            if recorder is not None:
                recorder.paused -= 1

    def _before_backward(self, losses: tuple[Tensor, ...]) -> None:
        if not self._optimizers and self._ledger.pending:
            self._close_step(None)
        if len(self._optimizers) > self._copied or not self._case.start:
            self._first = self._first if self._ledger.steps else time.perf_counter()
            self._copied = len(self._optimizers)
            roots = [root.module for root in self._roots.values()]
            self._case.start += copy_of_start(self._optimizers, roots, [tensor for tensor, _ in self._case.start])
        for loss in losses:
            self._ledger.backward(loss)
        if self._recorder is not None:
            self._recorder.event("backward", losses)
            self._samples.at_backward(self._optimizers)
        if self._ledger.lost and self._case.broken is None:
            self._case.broken = (self._ledger.steps, self._samples.broken(losses[0], self._optimizers))
            self._urgent = _URGENT

    def before_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        recorder = self._recorder
        if recorder is None or self._busy or self._process != os.getpid() or self._thread != threading.get_ident():
            return
        with self._ours():
            recorder.event("step", optimizer=optimizer)
            self._samples.before_step(optimizer, recorder.look)
        if not (len(args) > 1 or kwargs.get("closure")):
            recorder.paused += 1
            self._stepping = True

    _stepping = False

    def after_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        if self._busy or self._process != os.getpid() or self._thread != threading.get_ident():
            return
        recorder = self._recorder
        if recorder is not None and self._stepping:
            recorder.paused -= 1
            self._stepping = False
        with self._ours():
            if recorder is not None:
                self._samples.after_step(optimizer, recorder.look)
            self._close_step(optimizer)
        self._check_limits()

    def _close_step(self, optimizer: torch.optim.Optimizer | None) -> None:
        if optimizer is not None and not any(known is optimizer for known in self._optimizers):
            self._optimizers.append(optimizer)
        course = self._ledger.step(optimizer)
        self._recent.append(id(optimizer))
        if self._recorder is not None:
            look = self._recorder.look
            look.loss = course.losses[-1]
            if look.kind == "train" and len(list(look.events("step"))) >= self._span:
                self._end_look(keep=True)
            elif optimizer is None:
                self._end_look(keep=True)
        steps = self._ledger.steps
        if (self._forked or _distributed()) and (steps & (steps - 1) == 0 or steps % 25 == 0):
            self.fingerprints.append([steps, fingerprint(self._optimizers)])
        if self._recorder is None and self._may_look():
            self._start_look("train")

    @property
    def _span(self) -> int:
        """Steps of one look: one of each optimizer that is in use."""
        return min(max(1, len(set(self._recent))), 4)

    def _check_limits(self) -> None:
        steps, seconds = self._limits
        if steps is not None and self._ledger.steps >= steps:
            raise Enough
        if seconds is not None and time.perf_counter() - self._begun >= seconds:
            raise Enough

    # -- looks

    def _may_look(self) -> bool:
        if self._blind:
            return False
        if self._urgent:
            self._urgent -= 1
            return True
        elapsed = time.perf_counter() - self._first
        return self._ledger.steps < EARLY or self._case.watched + self._last_cost < ALLOWANCE + SHARE * elapsed

    def _start_look(self, kind: Any, limit: int = LONGEST) -> None:
        depth = torch._C._len_torch_function_stack()
        if self._blind or depth > _has_default_device():
            return
        look = Look(kind, self._ledger.steps)
        self._recorder = Recorder(look, self._called, limit=limit)
        self._samples.begin(self._optimizers)
        self._recorder.start()

    def _end_look(self, *, keep: bool) -> None:
        recorder, self._recorder, self._guard = self._recorder, None, None
        if recorder is None:
            return
        recorder.stop()
        look = recorder.look
        self._case.watched += recorder.spent
        if look.kind == "train":
            self._last_cost = recorder.spent
        else:
            self._view_cost = recorder.spent
        if not look.whole and look.kind == "train":
            return
        if not keep and look.kind == "train" and not look.losses():
            look.kind = "view"
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
        root = self._roots.get(id(module))
        if root is None or root.module is not module:
            place = here(2)
            root = self._roots[id(module)] = Root(module, _variable(module), place)
        if torch.is_grad_enabled():
            root.trained += 1
        else:
            root.viewed += 1
        root.compiled = root.compiled or hasattr(module, "_orig_mod")

    # -- evaluations

    def guard_entered(self, guard: Any) -> None:
        if self._recorder is None and self._may_view() and _by_user():
            self._start_look("view", LONGEST // 10)
            self._guard = guard

    def guard_left(self, guard: Any, *error: Any) -> None:
        if self._guard is guard and self._recorder is not None and self._recorder.look.kind == "view":
            self._end_look(keep=True)

    def around_train(self, original: Callable[..., Any], module: nn.Module, mode: bool = True) -> Any:
        changed = module.training != mode
        if not changed or self._busy or self._process != os.getpid() or self._thread != threading.get_ident():
            return original(module, mode)
        with self._ours():
            self._case.notes.append(Note("mode", self._ledger.steps, here(2), (id(module), mode)))
            recorder = self._recorder
            if recorder is not None and recorder.look.kind == "view" and mode and self._guard is None:
                self._end_look(keep=True)
            elif recorder is None and not mode and self._may_view():
                self._start_look("view", LONGEST // 10)
        self._busy = True  # its children are told by torch itself
        try:
            return original(module, mode)
        finally:
            self._busy = False

    def _may_view(self) -> bool:
        elapsed = time.perf_counter() - self._first
        return not self._blind and (
            len(self._case.views) < 2 or self._case.watched + self._view_cost < 1.5 * (ALLOWANCE + SHARE * elapsed)
        )

    # -- what is made and called around the loop

    def optimizer_made(self, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> None:
        self._ledger.places[id(optimizer)] = here(2)
        self._case.notes.append(Note("optimizer", self._ledger.steps, here(2), optimizer))
        self._optimizers.append(optimizer)
        if len(self._optimizers) <= _MANY:
            self._urgent = max(self._urgent, EARLY)  # its first steps are looked at, whenever they come
        if self._recorder is None and not self._ledger.steps:
            self._start_look("train")

    def module_made(self, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        place = here(2, of=module)
        if place is not None:
            self._case.made[id(module)] = place

    def weights_set(self, name: str, tensor: Any = None, *args: Any, **kwargs: Any) -> None:
        places = chain(2, 1)
        if isinstance(tensor, Tensor) and places and _asked_by_user():
            self._case.started[id(tensor)] = (name, places[0], (*args, *kwargs.values()))

    def around_load(self, original: Callable[..., Any], module: nn.Module, state: Any, *args: Any, **kw: Any) -> Any:
        result = original(module, state, *args, **kw)
        if not self._busy:
            with self._ours():
                strict = bool(args[0] if args else kw.get("strict", True))
                missing, unexpected = tuple(result.missing_keys), tuple(result.unexpected_keys)
                load = Load(module, here(2), self._ledger.steps, missing, unexpected, strict)
                self._case.loads.append(load)
        return result

    def schedule_made(self, schedule: Any, *args: Any, **kwargs: Any) -> None:
        if not any(note.data[0] is schedule for note in self._case.notes if note.kind == "schedule"):
            self._case.notes.append(Note("schedule", self._ledger.steps, here(2), (schedule, [])))

    def schedule_stepped(self, schedule: Any, *args: Any, **kwargs: Any) -> None:
        for note in self._case.notes:
            if note.kind == "schedule" and note.data[0] is schedule:
                if len(note.data[1]) < 64:
                    note.data[1].append((self._ledger.steps, here(2)))
                return

    def loader_made(self, loader: Any, *args: Any, **kwargs: Any) -> None:
        self._loaders[id(loader)] = Loader(loader, here(2))

    def around_iter(self, original: Callable[..., Any], loader: Any) -> Any:
        iterator = original(loader)
        if not self._busy and self._process == os.getpid():
            with self._ours():
                known = self._loaders.get(id(loader))
                if known is None or known.loader is not loader:
                    known = self._loaders[id(loader)] = Loader(loader, here(2))
                known.epochs += 1
                if known.epochs <= 6:
                    known.marks.append([])
                self._iterators[id(iterator)] = known
        return iterator

    def around_next(self, original: Callable[..., Any], iterator: Any) -> Any:
        recorder = self._recorder
        if recorder is not None and recorder.thread == threading.get_ident():
            recorder.paused += 1  # the batch is a leaf, however it was put together
        try:
            batch = original(iterator)
        finally:
            if recorder is not None and recorder.thread == threading.get_ident():
                recorder.paused -= 1
        known = self._iterators.get(id(iterator))
        if known is not None and not self._busy and self._process == os.getpid():
            known.batches += 1
            if known.epochs <= 6 and len(known.marks[-1]) < 8:
                with self._ours():
                    known.marks[-1].append(_mark(batch))
        return batch

    def cleared(self, *args: Any, **kwargs: Any) -> None:
        if self._recorder is not None:
            self._recorder.event("zero_grad")

    def clipped(self, *args: Any, **kwargs: Any) -> None:
        limit = float(args[1]) if len(args) > 1 else float(next(iter(kwargs.values()), math.nan))
        known = next((note for note in self._case.notes if note.kind == "clip"), None)
        if known is None:
            self._case.notes.append(Note("clip", self._ledger.steps, here(2), limit))
        if self._recorder is not None:
            self._recorder.event("clip")

    def compiling(self, model: Any = None, *args: Any, **kwargs: Any) -> None:
        if not isinstance(model, nn.Module):
            self._blind = True
            self._end_look(keep=False)
            self._case.unseen.append("compiled_function")
        else:
            self._case.unseen.append("compiled_model")

    def saved(self, *args: Any, **kwargs: Any) -> None:
        self._case.notes.append(Note("save", self._ledger.steps, here(2), None))


def _mark(batch: Any) -> float:
    """Return a number that two batches share only if they are the same."""
    if isinstance(batch, Tensor):
        flat = batch.detach().flatten()
        return float((flat.double() * torch.arange(1, len(flat) + 1, dtype=torch.float64).sqrt()).sum())
    if isinstance(batch, dict):
        return sum((k + 1) * _mark(part) for k, part in enumerate(batch.values()))
    if isinstance(batch, list | tuple):
        return sum((k + 1) * _mark(part) for k, part in enumerate(batch))
    return 0.0


def _thin(shelf: list[Look], most: int) -> None:
    """Keep the first and the last looks whole and every second of those between."""
    if len(shelf) > most:
        edge = most // 4
        shelf[edge:-edge] = shelf[edge:-edge:2]


def _unique_bytes(shelf: list[Look]) -> int:
    kept = {tensor.data_ptr(): tensor for look in shelf for tensor in look.tensors.values()}
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())


def _variable(module: nn.Module) -> str:
    """Name a module as the script does, else by its class."""
    frame = sys._getframe(2)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            for scope in (frame.f_locals, frame.f_globals):
                for name, value in scope.items():
                    if value is module and not name.startswith("_") and name != "self":
                        return name
        frame = frame.f_back  # type: ignore[assignment]
    return type(module).__name__


def _by_user() -> bool:
    """Return whether the nearest frame beneath torch's context machinery is the user's."""
    frame = sys._getframe(5)
    for _ in range(4):
        if frame is None:
            return False
        name = frame.f_code.co_filename
        if is_users(name):
            return True
        if not name.endswith(("_contextlib.py", "grad_mode.py", "watch.py", "patches.py", "contextlib.py")):
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _asked_by_user() -> bool:
    """Return whether the function that we wrap was called by the user's own line."""
    frame = sys._getframe(1)
    while frame is not None and "diagnosis" in frame.f_code.co_filename or frame.f_code.co_filename.endswith("contextlib.py"):
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and is_users(frame.f_code.co_filename)


def _has_default_device() -> bool:
    """Return whether the one mode that may lie on the stack is the device that the script set for all it makes."""
    return getattr(sys.modules.get("torch.utils._device"), "CURRENT_DEVICE", None) is not None


def _distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()

