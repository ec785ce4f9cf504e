"""A curve given by its points."""

import dataclasses
import itertools
from typing import ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core.errors import law
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit, is_moment


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ByHand(Schedule):
    """Follow points (moment, factor), each factor held until the next moment or joined to it by a line.

    Before the first point and after the last one their factors hold.

    >>> import torch
    >>> from thalweg.schedules import ByHand, progress
    >>> at = progress(torch.arange(5), steps_per_epoch=2, num_steps=4)
    >>> ByHand(points=((0, 1.0), (1, 0.1)), unit="epochs", between="lines").factor(at).tolist()
    [1.0, 0.55, 0.1, 0.1, 0.1]
    """

    name: ClassVar[str] = "by-hand"
    points: tuple[tuple[float, float], ...]
    unit: Unit = "share"
    between: Literal["stairs", "lines"] = "stairs"

    def check(self) -> None:
        pairs = isinstance(self.points, tuple) and all(isinstance(p, tuple) and len(p) == 2 for p in self.points)
        if not (pairs and self.points and all(is_moment(number) for p in self.points for number in p)):
            cure = "Write points=((0, 1.0), (0.5, 0.1))."
            raise law("ByHand(points=...)", "must be pairs (moment, factor), no number below 0", self.points, cure)
        moments = [moment for moment, _ in self.points]
        if any(later <= earlier for earlier, later in itertools.pairwise(moments)):
            raise law("ByHand(points=...)", "must have moments that grow", self.points)

    def factor(self, at: Progress) -> Tensor:
        x = torch.tensor([at.steps_in(moment, self.unit) for moment, _ in self.points], dtype=torch.float64)
        y = torch.tensor([factor for _, factor in self.points], dtype=torch.float64)
        left = (torch.searchsorted(x, at.step, right=True) - 1).clamp(min=0)
        if self.between == "stairs":
            return y[left]
        right = (left + 1).clamp(max=len(x) - 1)
        along = ((at.step - x[left]) / (x[right] - x[left]).clamp(min=1e-300)).clamp(0, 1)
        return y[left] + along * (y[right] - y[left])

    def span(self, run: Progress) -> float:
        return run.steps_in(self.points[-1][0], self.unit)
