"""A fall whenever a metric has stopped getting better."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.errors import law
from thalweg.schedules.base import Floor, Schedule
from thalweg.schedules.clock import Progress


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Plateau(Schedule):
    """Multiply the rate by `gamma` when `metric` (validation) does not improve for over `patience` evaluations.

    It is folded over the evaluations of `at.seen`, of which a moment uses those up to its own step: nothing is stepped,
    so it goes on exactly after a pause, and in a product or a sequence. Better means by `threshold`, as a share of the
    best ("rel") or as it is ("abs"); NaN never is. After a fall, `cooldown` evaluations do not count. `better` must be
    given for any metric but the loss. As torch's ReduceLROnPlateau (gamma is its factor, floor its min_lr as a share of
    the rate), which also leaves out falls of less than 1e-8.
    """

    name: ClassVar[str] = "plateau"
    metric: str = "loss"
    better: Literal["lower", "higher"] | None = None
    gamma: Annotated[float, Knob("factor of each fall", "(0, 1)", low=0.1, high=0.9)] = 0.1
    patience: Annotated[int, Knob("evaluations without improvement that are let pass", "[0, inf)", low=2, high=20)] = 10
    threshold: Annotated[float, Knob("what counts as better", "[0, inf)", low=1e-5, high=0.01, log=True)] = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: Annotated[int, Knob("evaluations after a fall that do not count", "[0, inf)", low=0, high=10)] = 0
    floor: Floor = 0.0

    def check(self) -> None:
        if self.better not in ("lower", "higher", None):
            raise law("Plateau(better=...)", "must be 'lower' or 'higher'", self.better)
        if self.better is None and self.metric != "loss":
            raise law(
                "Plateau(metric=...)", "needs better beside it", self.metric, "Add better='higher' or better='lower'."
            )

    def factor(self, at: Progress) -> Tensor:
        seen = at.seen.get(self.metric, ())
        steps = torch.tensor([step for step, _ in seen], dtype=torch.float64)
        factors = torch.tensor([1.0, *self._falls(value for _, value in seen)], dtype=torch.float64)
        return factors[torch.searchsorted(steps, at.step, right=True)]

    def _falls(self, values: Iterable[float]) -> list[float]:
        """Return the factor after each evaluation."""
        sign = 1.0 if self.better == "higher" else -1.0
        factor, best, waited, cooling, factors = 1.0, -math.inf, 0, 0, []
        for value in values:
            if sign * value > best + self._margin(best):
                best, waited = sign * value, 0
            else:
                waited += 1
            if cooling:
                cooling, waited = cooling - 1, 0
            if waited > self.patience:
                factor, waited, cooling = max(factor * self.gamma, self.floor), 0, self.cooldown
            factors.append(factor)
        return factors

    def _margin(self, best: float) -> float:
        if math.isinf(best):
            return 0.0
        return self.threshold * (abs(best) if self.threshold_mode == "rel" else 1.0)

    def span(self, run: Progress) -> float:
        return 0.0
