"""Starts: the values that weights have before the first step.

An `Init` says what one matrix starts with; `start(module, init, seed=...)` walks through a module and fills every
weight, each from a generator of its own that depends on the seed and on the weight's name alone. What a start may know
of the matrix stands in its `Spot`.

To add one: one file with a final dataclass that has `deviation` and `draw`, one import line in `init/__init__.py`, and
its line in `core/words/en/init.toml` and `core/words/zh/init.toml`. A start that measures on data is a `Fitted`.
"""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from thalweg.core import Component

Run = Callable[[], None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Spot:
    """Tell a start where a matrix sits."""

    name: str
    """Of the parameter in the whole module."""
    shape: tuple[int, ...]
    """(out, in, *kernel): one gate of a recurrent layer, one group of a convolution, else the whole weight."""
    fan_in: int
    """Numbers that are summed up for one output."""
    fan_out: int
    """Outputs that one input goes to."""
    activation: str = "identity"
    """What follows: "relu", "tanh", ...; "identity" if nothing does."""
    slope: float = 0.0
    """Of a leaky activation that follows, for negative inputs."""
    branches: int = 0
    """At the end of a residual branch, how many branches the network has; elsewhere 0."""


class Init(Component):
    """Fill a matrix with its first values."""

    __slots__ = ()
    needs_batch: ClassVar[bool] = False
    """Whether there is no start without examples to look at."""

    @abstractmethod
    def deviation(self, spot: Spot) -> float:
        """Return the deviation that the values are to have; NaN where the data decide."""

    @abstractmethod
    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        """Return float32 values of the spot's shape on the CPU; the generator is at its beginning."""


class Fitted(Init):
    """Change what was drawn until it does on data what it is to do."""

    __slots__ = ()
    needs_batch = True

    @abstractmethod
    def fit(self, layers: Mapping[nn.Module, "Writer"], run: Run) -> None:
        """Change the weights of dense and convolutional layers; `run()` takes the batch forward once more."""


Writer = Callable[[Callable[[Tensor], Tensor]], None]
"""Replaces a layer's weight by a function of it."""
