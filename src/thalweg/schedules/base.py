"""Schedules: how a hyperparameter moves with time.

A schedule is a pure function of progress: it returns the multiplier of the rate for any tensor of moments at once, so a
whole epoch, or a whole run for a plot, is one call. It keeps no count and so cannot be stepped at the wrong place.

To add one: a file with a final dataclass that has `factor`, and one import line in `schedules/__init__.py`.
"""

import dataclasses
from abc import abstractmethod

import torch
from torch import Tensor

from thalweg.core import Component


@dataclasses.dataclass(frozen=True)
class Progress:
    """Hold moments of a run, float64 tensors of one shape: updates made before, passes over the data made, share done.

    `one` is the share of the run that one step is.
    """

    step: Tensor
    epoch: Tensor
    share: Tensor
    one: float


def progress(steps: Tensor, *, steps_per_epoch: int, num_steps: int) -> Progress:
    """Return the progress at the given step numbers (0 is the first) of a run of `num_steps`."""
    step = steps.to(torch.float64)
    one = 1 / max(num_steps, 1)
    return Progress(step=step, epoch=step / steps_per_epoch, share=step * one, one=one)


class Schedule(Component):
    """Map progress to the multiplier of a hyperparameter."""

    __slots__ = ()

    @abstractmethod
    def factor(self, at: Progress) -> Tensor:
        """Return the multiplier at these moments, in the shape of `at.step`."""
