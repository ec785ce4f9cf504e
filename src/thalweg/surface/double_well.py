"""A shallow and a deep minimum, for momentum to roll through the one into the other."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DoubleWell(Surface):
    """Offer a shallow minimum on the way to a deep one.

    value = x⁴/4 + (far - 1) x³/3 - far x²/2 + far³ (far + 2)/12 + y²

    Its slope along x is x (x - 1) (x + far): a shallow minimum at x = 1, a barrier at 0, the deep one, of value 0, at
    -far. From the start plain descent ends in the shallow one; with momentum 0.9 the speed carries over the barrier.

    >>> DoubleWell().landmarks().minima
    ((1.0, 0.0), (-2.0, 0.0))
    """

    name: ClassVar[str] = "double-well"
    far: Annotated[float, Knob("distance of the deep minimum from the barrier", "(1, inf)", low=1.1, high=4.0)] = 2.0

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        far = self.far
        along = x**4 / 4 + (far - 1) * x**3 / 3 - far * x**2 / 2
        return along + far**3 * (far + 2) / 12 + y**2

    def landmarks(self) -> Landmarks:
        return Landmarks(
            x=(-1.7 * self.far, 2.4),
            y=(-2.0, 2.0),
            start=(2.1, 1.2),
            minima=((1.0, 0.0), (-self.far, 0.0)),
            saddles=((0.0, 0.0),),
        )
