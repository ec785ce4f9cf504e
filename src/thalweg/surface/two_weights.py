"""The smallest deep network there is: two weights, one example."""

import dataclasses
from typing import ClassVar, final

from torch import Tensor

from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TwoWeights(Surface):
    """Be the loss of the notes' network y = w1 w2 x on the one example (1, 1); w1 is x here, w2 is y.

    value = (1 - x y)²

    The gradient is zero in the origin, a saddle whose Hessian has the eigenvalues -2 and 2, and on the two arms of the
    hyperbola x y = 1, where the loss is 0. The farther out on an arm, the steeper its walls: the trace of the Hessian
    is 2 (x² + y²). Source: the notes' 003, critical points, example.
    """

    name: ClassVar[str] = "two-weights"

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        return (1 - x * y) ** 2

    def landmarks(self) -> Landmarks:
        return Landmarks(
            x=(-3.0, 3.0),
            y=(-3.0, 3.0),
            start=(-1.5, 1.45),
            minima=((1.0, 1.0), (-1.0, -1.0), (2.0, 0.5), (0.5, 2.0), (-2.0, -0.5), (-0.5, -2.0)),
            saddles=((0.0, 0.0),),
        )
