"""Norms: what keeps the signals or the weights inside a network at a fixed scale.

A norm is a value, `GroupNorm(num_groups=8)`; a model holds one in its field `norm` and asks it for modules. There are
two kinds. A `FeatureNorm` builds a module that follows a layer and normalises what comes out of it; a
`WeightParametrisation` changes a layer so that it computes with normalised weights.

What they make works under `torch.func.functional_call` and `vmap` with stacked parameters and buffers, under `make_fx`
and `torch.compile`, has second derivatives, and changes its buffers in place. Where a module of torch's does all that,
it is the one that is built.

To add one: one file with a final dataclass under `FeatureNorm` or `WeightParametrisation`, one import line in
`norms/__init__.py`, a line in `core/words/{en,zh}/norms.toml` and a row in docs/norms.md; the contract test follows.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar

from torch import nn

from thalweg.core import Component, Knob

Epsilon = Annotated[
    float, Knob("added to the variance, against dividing by zero", "(0, inf)", low=1e-8, high=1e-3, log=True)
]
Momentum = Annotated[
    float, Knob("share of the newest batch in the moving averages", "(0, 1]", low=0.01, high=0.5, log=True)
]


class Norm(Component):
    """Keep the scale inside a network: of what layers put out, or of their weights."""

    __slots__ = ()


class FeatureNorm(Norm):
    """Normalise what a layer puts out."""

    __slots__ = ()
    takes_bias: ClassVar[bool] = False
    """Subtracts each feature's own mean, so that a bias just before it does nothing."""
    reads_positions: ClassVar[bool] = False
    """Normalises the last axis alone, so that it also reads sequences (B, L, W)."""

    @abstractmethod
    def build(self, width: int, num_axes: int) -> nn.Module:
        """Make the module for `width` features with `num_axes` axes of places: 0 for dense layers, 2 for images.

        It draws no random numbers. Raises `UsageError` for a width that this norm cannot read.
        """


class WeightParametrisation(Norm):
    """Let a layer compute with normalised weights."""

    __slots__ = ()

    @abstractmethod
    def wrap(self, layer: nn.Linear | nn.Conv2d) -> None:
        """Change the layer in place; call it after the weights were started.

        The layer stays an nn.Linear or nn.Conv2d and its parameter `weight` stays where it is. It is what is learnt,
        not what is computed with, which `layer.normed_weight()` returns.
        """
