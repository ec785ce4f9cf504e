"""Schedules: how a hyperparameter moves with time.

A schedule is a pure function of progress: it returns the multiplier of a hyperparameter for any tensor of moments at
once, so a whole epoch, or a whole run for a plot, is one call. It keeps no count and so cannot be stepped at the wrong
place; what it needs to know of the past (a metric, for a plateau) is part of the progress it is given.

To add one: a file with a final dataclass that has `factor` and `span`, one import line in `schedules/__init__.py`, and
its line in `core/words/{en,zh}/schedules.toml`. A field for a length goes with a field `unit: Unit`, and `span` adds
such lengths up. A field called `metric` names a metric that the schedule reads; a field of schedules makes it a
composite. `factor` must be tensor operations only, free of surprises far outside of the run.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar

from torch import Tensor

from thalweg.core import Component, Knob
from thalweg.schedules.clock import Progress

Floor = Annotated[float, Knob("what is left in the end, or at the lowest", "[0, 1]", low=0.0, high=0.1)]


class Schedule(Component):
    """Map progress to the multiplier of a hyperparameter."""

    __slots__ = ()
    ends: ClassVar[bool] = False
    """Whether it stays as it is after its span, so that in a sequence the next part may begin there."""

    @abstractmethod
    def factor(self, at: Progress) -> Tensor:
        """Return the multiplier at these moments, in the shape of `at.step`."""

    @abstractmethod
    def span(self, run: Progress) -> float:
        """Return how many steps of this run its own lengths take; 0 if it has none."""
