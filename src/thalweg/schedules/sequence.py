"""Schedules one after the other, each on a clock of its own."""

import dataclasses
import itertools
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.core.errors import law
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit, is_moment, whole_if_near


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sequential(Schedule):
    """Follow the parts one after the other; each begins at its own step 0, with a factor of its own.

    `lengths` says how long each lasts, in `unit`, and then that time is the run whose shares the part counts. The last
    may be left out: it lasts, as its run, until the end. Without `lengths` a part lasts for the `length` that it has
    itself (`warmup`, `cosine`, `linear`, ...), and counts shares of the whole.

    >>> import torch
    >>> from thalweg.schedules import Sequential, progress
    >>> at = progress(torch.arange(6), steps_per_epoch=2, num_steps=6)
    >>> Sequential(parts=("linear(start=0.5, end=1, length=1, unit=epochs)", "linear")).factor(at).tolist()
    [0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
    """

    name: ClassVar[str] = "sequence"
    parts: tuple[Schedule, ...]
    lengths: tuple[float, ...] = ()
    unit: Unit = "epochs"

    def check(self) -> None:
        if not self.parts:
            raise law("Sequential(parts=...)", "must hold at least one schedule", self.parts)
        if not (isinstance(self.lengths, tuple) and all(is_moment(length) for length in self.lengths)):
            raise law("Sequential(lengths=...)", "must be numbers from 0 on", self.lengths)
        if self.lengths and len(self.lengths) not in (len(self.parts) - 1, len(self.parts)):
            cure = "Only the last may be left out."
            raise law("Sequential(lengths=...)", f"must be one for each of {len(self.parts)} parts", self.lengths, cure)
        endless = [part.name for part in self.parts[:-1] if not part.ends]
        if endless and not self.lengths:
            cure = f"Say with lengths=... how long {endless[0]!r} lasts."
            raise law("Sequential(parts=...)", "must end by themselves, but for the last", endless, cure)

    def factor(self, at: Progress) -> Tensor:
        factor = torch.ones_like(at.step)
        for part, start, length in self.windows(at):
            factor = torch.where(at.step >= start, part.factor(at.window(start, length)), factor)
        return factor

    def windows(self, run: Progress) -> list[tuple[Schedule, float, float]]:
        """Return each part, the step at which it begins, and how many steps its own run has."""
        durations = self._durations(run)
        starts = [0.0, *(whole_if_near(total) for total in itertools.accumulate(durations))]
        runs = durations if self.lengths else [run.num_steps] * len(durations)
        if len(durations) < len(self.parts):
            runs = [*runs, max(run.num_steps - starts[-1], 0.0)]
        return list(zip(self.parts, starts, runs, strict=False))

    def span(self, run: Progress) -> float:
        return whole_if_near(sum(self._durations(run)))

    def _durations(self, run: Progress) -> list[float]:
        """Return how many steps the parts last whose time is known: all, or all but the last."""
        if self.lengths:
            return [run.steps_in(length, self.unit) for length in self.lengths]
        return [part.span(run) for part in self.parts[:-1]]
