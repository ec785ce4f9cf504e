"""Notes what is made and called around a loop: modules, first weights, loaders, schedules, loads, saves."""

import math
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.diagnosis.watching.fence import Fence
from thalweg.diagnosis.watching.places import asked_by_user, chain, here
from thalweg.diagnosis.watching.records import Load, Loader, Note

_NOTES = 2048  # of one kind that are kept
_LOADERS = 64  # that are kept: each holds its data
_STEPS_OF_A_SCHEDULE = 64
_EPOCHS, _BATCHES = 6, 8  # of a loader that are marked


class Surroundings:
    """Write down what happens outside of steps."""

    def __init__(self, fence: Fence, steps: Callable[[], int]) -> None:
        self._fence, self._case, self._steps = fence, fence.case, steps
        self.loaders: dict[int, Loader] = {}
        self._iterators: dict[int, Loader] = {}
        self._counts: dict[str, int] = {}

    def note(self, kind: str, data: Any = None) -> None:
        """Write down that something happened at this step, at the user's line that is being executed."""
        self._counts[kind] = count = self._counts.get(kind, 0) + 1
        if count <= _NOTES:
            self._case.notes.append(Note(kind, self._steps(), here(2), data))

    def module_made(self, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        """Note where a module is made."""
        place = here(2, of=module)
        if place is not None:
            self._case.made[id(module)] = place

    def weights_set(self, name: str, tensor: Any = None, *args: Any, **kwargs: Any) -> None:
        """Note which function of `nn.init` the script gave a tensor to."""
        places = chain(2, 1)
        if isinstance(tensor, Tensor) and places and asked_by_user():
            self._case.started[id(tensor)] = (name, places[0], (*args, *kwargs.values()))

    def around_load(self, original: Callable[..., Any], module: nn.Module, state: Any, *args: Any, **kw: Any) -> Any:
        """Note what was loaded into a module."""
        result = original(module, state, *args, **kw)
        if not self._fence.shut:
            with self._fence.ours():
                strict = bool(args[0] if args else kw.get("strict", True))
                missing, unexpected = tuple(result.missing_keys), tuple(result.unexpected_keys)
                self._case.loads.append(Load(module, here(2), self._steps(), missing, unexpected, strict))
        return result

    def schedule_made(self, schedule: Any, *args: Any, **kwargs: Any) -> None:
        """Note where a schedule is made."""
        if not any(note.data[0] is schedule for note in self._case.notes if note.kind == "schedule"):
            self.note("schedule", (schedule, []))

    def schedule_stepped(self, schedule: Any, *args: Any, **kwargs: Any) -> None:
        """Note the first steps of a schedule."""
        for note in self._case.notes:
            if note.kind == "schedule" and note.data[0] is schedule:
                if len(note.data[1]) < _STEPS_OF_A_SCHEDULE:
                    note.data[1].append((self._steps(), here(2)))
                return

    def clipped(self, *args: Any, **kwargs: Any) -> None:
        """Note the first clipping, and each in a look."""
        if not any(note.kind == "clip" for note in self._case.notes):
            limit = args[1] if len(args) > 1 else kwargs.get("max_norm", kwargs.get("clip_value", math.nan))
            self.note("clip", float(limit))
        if self._fence.recorder is not None:
            self._fence.recorder.event("clip")

    def saved(self, *args: Any, **kwargs: Any) -> None:
        """Note that a file was saved."""
        self.note("save")

    # -- loaders

    def loader_made(self, loader: Any, *args: Any, **kwargs: Any) -> None:
        """Note where a loader is made."""
        self._known(loader)

    def around_iter(self, original: Callable[..., Any], loader: Any) -> Any:
        """Note that a loader is run through."""
        iterator = original(loader)
        if not self._fence.shut:
            with self._fence.ours():
                known = self._known(loader)
                if known is not None:
                    known.epochs += 1
                    if known.epochs <= _EPOCHS:
                        known.marks.append([])
                    self._iterators[id(iterator)] = known
        return iterator

    def around_next(self, original: Callable[..., Any], iterator: Any) -> Any:
        """Mark the first batches. A batch comes from outside for a look, however it was put together."""
        recorder = self._fence.recorder
        if recorder is None or recorder.thread != threading.get_ident():
            batch = original(iterator)
        else:
            with recorder.resting():
                batch = original(iterator)
        known = self._iterators.get(id(iterator))
        if known is not None and not self._fence.shut:
            known.batches += 1
            if known.epochs <= _EPOCHS and len(known.marks[-1]) < _BATCHES:
                with self._fence.ours():
                    known.marks[-1].append(_mark(batch))
        return batch

    def _known(self, loader: Any) -> Loader | None:
        known = self.loaders.get(id(loader))
        if known is None or known.loader is not loader:
            if len(self.loaders) >= _LOADERS:
                return None
            known = self.loaders[id(loader)] = Loader(loader, here(2))
        return known


def _mark(batch: Any) -> float:
    """Return a number that two batches share only if they are the same."""
    if isinstance(batch, Tensor):
        flat = batch.detach().flatten().cpu().double()
        return float((flat * torch.arange(1, len(flat) + 1, dtype=torch.float64, device="cpu").sqrt()).sum())
    if isinstance(batch, dict):
        return sum((k + 1) * _mark(part) for k, part in enumerate(batch.values()))
    if isinstance(batch, list | tuple):
        return sum((k + 1) * _mark(part) for k, part in enumerate(batch))
    return 0.0
