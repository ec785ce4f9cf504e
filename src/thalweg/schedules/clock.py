"""The clock of a run: moments told in steps, epochs, samples, or as a share of the run."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Unit = Literal["share", "epochs", "steps", "samples"]
"""What a length is told in: a share of the run, passes over the data, updates, or examples seen."""
Seen: TypeAlias = Mapping[str, Sequence[tuple[float, float]]]
"""What was measured on the way: a metric's name to its (updates made before, value), in order."""

_NOTHING: Seen = MappingProxyType({})
_NEAR = 1e-9  # how far rounding may move a count


@dataclasses.dataclass(frozen=True)
class Progress:
    """Hold moments of a run: `step`, a float64 tensor of any shape, counts the updates made before.

    A part of a composite gets a progress of its own, whose first step is 0 and whose run is that part.
    """

    step: Tensor
    steps_per_epoch: float
    num_steps: float
    batch_size: float = 1
    seen: Seen = dataclasses.field(default_factory=dict)

    @property
    def epoch(self) -> Tensor:
        """Return the passes over the data made before, a fraction."""
        return self.step / self.steps_per_epoch

    @property
    def share(self) -> Tensor:
        """Return the share of the run done before."""
        return self.step * self.one

    @property
    def one(self) -> float:
        """Return the share of the run that one step is."""
        return 1 / max(self.num_steps, 1)

    def steps_in(self, length: float, unit: Unit) -> float:
        """Return how many steps a length is; what is a whole number but for rounding is that number."""
        sizes = {
            "share": max(self.num_steps, 1),
            "epochs": self.steps_per_epoch,
            "steps": 1,
            "samples": 1 / self.batch_size,
        }
        return whole_if_near(length * sizes[unit])

    def elapsed(self, unit: Unit) -> Tensor:
        """Return the moments in this unit."""
        if unit == "share":
            return self.share
        if unit == "epochs":
            return self.epoch
        return self.step if unit == "steps" else self.step * self.batch_size

    def along(self, length: float, unit: Unit) -> Tensor:
        """Return how much of a length from the start is over, in [0, 1]; a length of 0 is over at once."""
        steps = self.steps_in(length, unit)
        return (self.step / steps).clamp(0, 1) if steps > 0 else torch.ones_like(self.step)

    def window(self, start: float, length: float) -> "Progress":
        """Return the same moments on the clock of a part that begins at step `start` and has `length` steps.

        Moments before the part stand at its first step; it sees what was measured after updates of its own.
        """
        seen = {name: [(at - start, value) for at, value in rows if at > start] for name, rows in self.seen.items()}
        return dataclasses.replace(self, step=(self.step - start).clamp(min=0), num_steps=length, seen=seen)


def progress(
    steps: Tensor, *, steps_per_epoch: int, num_steps: int, batch_size: int = 1, seen: Seen = _NOTHING
) -> Progress:
    """Return the progress at the given step numbers (0 is the first) of a run of `num_steps`.

    `seen` holds the validation evaluations so far: a metric's name to (updates made before it, value), in order. A
    moment uses those up to its own step alone, so later ones change nothing.
    """
    return Progress(steps.to(torch.float64), steps_per_epoch, num_steps, batch_size, seen)


def is_moment(value: object) -> bool:
    """Return whether a value can be a moment or a factor: a finite number from 0 on."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def whole_if_near(count: float) -> float:
    """Return a count without the rounding that keeps it from being whole."""
    near = round(count)
    return float(near) if abs(near - count) <= _NEAR * max(near, 1) else count


def times_over(step: Tensor, every: float) -> Tensor:
    """Return how many whole times `every` steps are over; a quotient that rounding keeps below a count counts."""
    quotient = step / every
    near = quotient.round()
    return torch.where((near - quotient).abs() <= _NEAR * near.clamp(min=1), near, quotient.floor())
