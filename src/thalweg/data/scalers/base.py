"""Scalers: maps of the inputs whose constants come from the training rows alone.

To add a scaler, write a final frozen dataclass under `Scaler` and one import line in `scalers/__init__.py`;
`prepare`, prediction and the contract test follow. Constants are float64 and lie on the CPU; what is applied
gives float32.
Axis letters: B batch, N examples, D features, C channels, L positions.
"""

from abc import abstractmethod
from collections.abc import Iterable

from torch import Tensor

from thalweg.core import Component

Fitted = dict[str, Tensor]


class Scaler(Component):
    """Map inputs so that a network can learn from them; pure: what was fitted is an argument."""

    __slots__ = ()

    @abstractmethod
    def fit(self, chunks: Iterable[Tensor]) -> Fitted:
        """Read the training inputs piece by piece, (B, ...) each, once, and return the constants."""

    @abstractmethod
    def apply(self, x: Tensor, fitted: Fitted) -> Tensor:
        """Map a batch (B, ...) of any numeric type to float32."""
