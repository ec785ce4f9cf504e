"""The way a rule took over a surface."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from thalweg.core import Outcome, law, to_plain
from thalweg.rules import Rule
from thalweg.surface.base import Point, Surface
from thalweg.surface.measuring import slopes


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Path:
    """Hold the points that a rule went through, and what the surface is there.

    Points are the weights that the rule wants to be judged by: for most rules those that it trains, for an average or a
    schedule-free rule others. From where a path is lost (a loss or gradient that is no number) on, all rows are NaN.
    """

    surface: Surface
    rule: Rule
    points: Tensor
    """(T + 1, 2), float64; the first is the start."""
    losses: Tensor
    """(T + 1,), without noise."""
    grad_norms: Tensor
    """(T + 1,), without noise."""
    rates: Tensor
    """(T,), the rate of each step: lr times the schedule's factor."""
    outcome: Outcome
    """finished; diverged; or stalled, if it never left the start."""

    @property
    def steps(self) -> int:
        """Return the number of steps before the end, or before the path was lost."""
        known = int(self.losses.isfinite().sum())
        return max(known - 1, 0)

    @property
    def end(self) -> Point:
        """Return the last point with a finite loss; the start, if there is none."""
        x, y = self.points[self.steps].tolist()
        return x, y

    @property
    def loss(self) -> float:
        """Return the loss at the end; NaN if the path was lost."""
        return float(self.losses[-1])

    def steps_to(self, share: float = 1e-3, *, floor: float | None = None) -> int | None:
        """Return after how many steps the loss stays a share of its start above the floor; None if it never does.

        loss[k] - floor <= share * (loss[0] - floor)    for k and all after it

        The floor is the lowest known value of the surface, or the lowest of this path where none is known.
        """
        if not 0 < share < 1:
            raise law("steps_to(share=...)", "must lie in (0, 1)", share)
        base = lowest_of([self]) if floor is None else floor
        above = ~(self.losses - base <= share * (self.losses[0] - base))
        last = int(above.nonzero()[-1]) if above.any() else -1
        return None if last + 1 >= len(self.losses) else last + 1

    def to_plain(self) -> dict[str, Any]:
        """Write everything as plain values."""
        return {
            "rule": to_plain(self.rule), "outcome": self.outcome.value, "steps": self.steps,
            "end": list(self.end), "loss": self.loss, "steps_to_thousandth": self.steps_to(),
            "points": self.points.tolist(), "losses": self.losses.tolist(),
            "grad_norms": self.grad_norms.tolist(), "rates": self.rates.tolist(),
        }  # fmt: skip


def lowest_of(paths: Iterable[Path]) -> float:
    """Return the lowest known value of the paths' surface, or the lowest loss they met where none is known."""
    given = list(paths)
    known = given[0].surface.lowest()
    if known is not None:
        return known
    met = torch.cat([path.losses for path in given])
    met = met[met.isfinite()]
    return float(met.min()) if len(met) else math.nan


def judged(surface: Surface, rule: Rule, points: Tensor, *, alive: Tensor, rates: Tensor) -> Path:
    """Make a path of raw points (T + 1, 2); `alive` (T,) tells of each step whether it started from numbers."""
    points = points.clone()
    losses, grads = slopes(surface, points)
    sound = points.isfinite().all(dim=1) & losses.isfinite()
    sound[:-1] &= alive
    last = int(sound.cumprod(0).sum())  # the row at which it broke keeps what is known of it
    norms, used = grads.norm(dim=1), rates.clone()
    for tensor in (points, losses, norms):
        tensor[last + 1 :] = math.nan
    used[last:] = math.nan
    lost = not bool(sound.all())
    moved = bool((points[1:] != points[0]).any())
    outcome = Outcome.DIVERGED if lost else Outcome.FINISHED if moved else Outcome.STALLED
    return Path(surface=surface, rule=rule, points=points, losses=losses, grad_norms=norms, rates=used, outcome=outcome)
