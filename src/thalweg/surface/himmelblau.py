"""Himmelblau's function."""

import dataclasses
from typing import ClassVar, final

from torch import Tensor

from thalweg.surface.base import Landmarks, Surface


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Himmelblau(Surface):
    """Hold four minima, all of value 0, about one hill.

    value = (x² + y - 11)² + (x + y² - 7)²

    Which minimum is reached depends on the start and on the rule. Source: Himmelblau 1972.
    """

    name: ClassVar[str] = "himmelblau"

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    def landmarks(self) -> Landmarks:
        return Landmarks(
            x=(-5.0, 5.0),
            y=(-5.0, 5.0),
            start=(0.0, 0.0),
            minima=(
                (3.0, 2.0),
                (-2.805118086952745, 3.131312518250573),
                (-3.779310253377747, -3.2831859912861696),
                (3.5844283403304917, -1.8481265269644036),
            ),
            saddles=(
                (0.08667750455539634, 2.884254701174776),
                (-3.0730257507643897, -0.08135304428796751),
                (-0.12796134673068008, -1.9537149802445763),
                (3.385154183607021, 0.0738518798377493),
            ),
            maxima=((-0.2708445906673476, -0.9230385564799815),),
        )
