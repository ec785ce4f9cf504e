"""Early stopping: train until the validation metric has stopped getting better, then give the best weights back."""

import dataclasses
import math
from typing import Annotated, ClassVar, final

from thalweg.core import Component, Knob


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EarlyStopping(Component):
    """Stop when `metric` on the validation data has not improved by `min_delta` for `patience` evaluations.

    `patience` None means a fifth of the planned evaluations, and at least ten. The best weights come back at the end of
    the run in any case, whether this stopped it or not.

    Source: Prechelt 1998, class UP criteria; Goodfellow et al. 2016, algorithm 7.1.
    """

    name: ClassVar[str] = "early"
    metric: str = "loss"
    patience: Annotated[int | None, Knob("evaluations without improvement", "[1, inf)", low=5, high=100)] = None
    min_delta: Annotated[float, Knob("what counts as an improvement", "[0, inf)", low=1e-5, high=0.01, log=True)] = 0.0


@dataclasses.dataclass
class Best:
    """Keep count of the best evaluation so far; the weights that belong to it lie in the state."""

    better: str = "lower"
    value: float = math.nan
    step: int = -1
    waited: int = 0

    def sees(self, value: float, step: int, min_delta: float) -> bool:
        """Take in a new evaluation; return whether it is the best so far. NaN never is."""
        gain = self.value - value if self.better == "lower" else value - self.value
        improved = not math.isnan(value) and (math.isnan(self.value) or gain > min_delta)
        if improved:
            self.value, self.step, self.waited = value, step, 0
        else:
            self.waited += 1
        return improved
