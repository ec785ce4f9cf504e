"""A flat region, then a valley."""

import dataclasses
from typing import Annotated, ClassVar, final

from torch import Tensor

from thalweg.core import Knob
from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plateau(Surface):
    """Lie almost flat outside and fall into a valley in the middle.

    value = q / (1 + q);  q = (x² + 4 y²) / width²

    Far out the gradient falls like 2 width² / distance³: plain descent creeps, rules that divide by the size of the
    gradient walk. The shape is the robust loss of Geman and McClure 1985.
    """

    name: ClassVar[str] = "plateau"
    width: Annotated[float, Knob("half the width of the valley", "(0, inf)", low=0.3, high=3.0, log=True)] = 1.0

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        q = (x**2 + 4 * y**2) / self.width**2
        return q / (1 + q)

    def landmarks(self) -> Landmarks:
        w = self.width
        return Landmarks(x=(-6 * w, 6 * w), y=(-4 * w, 4 * w), start=(-4.5 * w, 2.5 * w), minima=((0.0, 0.0),))
