"""Models: what a network is to be, as a frozen value; `build` turns it into a `torch.nn.Module`.

A specification holds no tensors. It can be written into a recipe, compared, searched over, and built as often
as wanted: `build_seeded` gives the same weights, bit for bit, for the same seed.

To add a model: one file with a final dataclass that has `build`, and one import line in `model/__init__.py`.
Draw weights from torch's global generator, start them with `model/start.py`, build the `Dropout`s after all
weights (so that a run with and one without dropout start from the same weights), and use no control flow that
depends on data: populations, curvature and compiled steps trace the module.
"""

import math
from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

import torch
from torch import nn

from thalweg.core import Component, Knob, UsageError
from thalweg.core.errors import law
from thalweg.core.random import key

DropoutShare = Annotated[float, Knob("share of units silenced while training", "[0, 1)", low=0.0, high=0.6)]
DropoutScaling = Literal["train", "test"]
"""When the silenced share is made up for: while training, or at test time as in the notes (model/dropout.py)."""
Shape = tuple[int, ...]


class Model(Component):
    """Describe a network: `build(input_shape, num_outputs)` makes it."""

    __slots__ = ()
    traceable: ClassVar[bool] = True
    """Pure and without control flow that depends on data: true of ours; of a user's unknown, so False."""

    @abstractmethod
    def build(self, input_shape: Shape, num_outputs: int) -> nn.Module:
        """Build the module for examples of this shape (without the batch axis), with fresh weights.

        It maps (B, *input_shape) to (B, num_outputs), or token ids (B, L) to (B, L, num_outputs) for
        language. Raises `UsageError` for a shape that this model cannot read.
        """


def build_seeded(model: Model, input_shape: Shape, num_outputs: int, seed: int) -> nn.Module:
    """Build a model whose weights depend on the seed alone; the caller's generator is left as it was.

    >>> from thalweg.model import mlp
    >>> first, again = (build_seeded(mlp(4), (2,), 3, seed=0) for _ in range(2))
    >>> bool((first.output.weight == again.output.weight).all())
    True
    """
    check_sizes(model, input_shape, num_outputs)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(key(seed, "init"))
        return model.build(input_shape, num_outputs)


def check_sizes(model: Model, input_shape: Shape, num_outputs: int) -> None:
    """Raise `UsageError` unless every axis and the number of outputs is at least 1."""
    call = f"{type(model).__name__}.build"
    if min(input_shape, default=1) < 1:
        raise law(f"{call}(input_shape=...)", "must have axes of length 1 or more", input_shape)
    if num_outputs < 1:
        raise law(f"{call}(num_outputs=...)", "must be 1 or more", num_outputs)


def wrong_shape(model: Model, input_shape: Shape, *, reads: str, cure: str) -> UsageError:
    """Build the sentence that every model says about examples that it cannot read."""
    call = f"{type(model).__name__}.build(input_shape=...)"
    return law(call, f"must be {reads}", tuple(input_shape), cure)


def check_widths(model: Model, field: str, widths: object) -> None:
    """Raise `UsageError` unless the field holds a tuple of whole numbers of at least 1."""
    good = isinstance(widths, tuple) and all(type(width) is int and width > 0 for width in widths)
    if not good:
        call = f"{type(model).__name__}({field}=...)"
        raise law(call, "must be a tuple of whole numbers of at least 1", widths)


def check_whole(model: Model, *fields: str) -> None:
    """Raise `UsageError` unless these fields hold whole numbers."""
    for field in fields:
        value = getattr(model, field)
        if value is not None and type(value) is not int:
            raise law(f"{type(model).__name__}({field}=...)", "must be a whole number", value)


def num_features(input_shape: Shape) -> int:
    """Count the numbers in one example."""
    return math.prod(input_shape)
