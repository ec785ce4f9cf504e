"""What several checks ask of a case, worked out once: the curve, what the network is fed, and whether it learnt."""

import dataclasses
import functools
import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from thalweg.diagnosis.answer import Hypothesis
from thalweg.diagnosis.bench import FEWEST, Bench, stand_of, usual
from thalweg.diagnosis.meeting import Meeting, meetings
from thalweg.diagnosis.replay import can_play, given_values, held, leaves, losses_of, playable
from thalweg.diagnosis.watching import Case, Course, Look

Array = NDArray[np.float64]
LEARNT = 0.5  # of the way from the trivial loss to nothing: a loss that fell further has learnt from its inputs
_RESHAPING = "view reshape flatten contiguous squeeze unsqueeze float long to transpose permute".split()
_ROWS = 6000  # rows of data that are put together at most


@dataclasses.dataclass(frozen=True)
class Fit:
    """A loss against the best constant answer: `trivial` is that answer's loss, `end` the network's at the end."""

    trivial: float
    end: float
    kind: str  # how predictions and targets meet

    @property
    def share(self) -> float:
        """Return which share of the trivial loss is left: 1 has learnt nothing, 0 everything."""
        return self.end / self.trivial if self.trivial > 0 else math.nan


class Facts:
    """Answer for one case what several checks ask; `until` is when experiments must end (`time.perf_counter`)."""

    def __init__(self, case: Case, *, budget: float = 60.0) -> None:
        self.case = case
        self.begun = time.perf_counter()
        self.until = self.begun + budget
        self.hypotheses: list[Hypothesis] = []
        self.memory: dict[str, Any] = {}  # what one check works out for others

    @property
    def left(self) -> float:
        """Return how many seconds are left for experiments."""
        return self.until - time.perf_counter()

    @functools.cached_property
    def course(self) -> Course | None:
        """Return the curve to judge: where trainings follow one another the last that is no mere trifle."""
        courses = [course for course in self.case.courses if course.steps]
        most = max((course.steps for course in courses), default=0)
        together = any(len({id(op.optimizer) for op in look.events("step")}) > 1 for look in self.case.looks)
        if together:
            return self.case.main
        return next((course for course in reversed(courses) if course.steps >= 0.05 * most), None)

    @functools.cached_property
    def loss(self) -> Array:
        """Return the loss at each step of the main course, shape (steps,)."""
        return np.array(self.course.losses if self.course else [], dtype=np.float64)

    @functools.cached_property
    def rate(self) -> Array:
        """Return the rate of the first group at each step of the main course, shape (steps,)."""
        return np.array(self.course.rate() if self.course else [], dtype=np.float64)

    @functools.cached_property
    def finite(self) -> Array:
        return self.loss[np.isfinite(self.loss)]

    @functools.cached_property
    def start(self) -> float:
        """Return the level at which the loss began: the median of the first three steps."""
        return float(np.median(self.finite[:3])) if len(self.finite) else math.nan

    @property
    def first(self) -> float:
        return float(self.finite[0]) if len(self.finite) else math.nan

    @functools.cached_property
    def end(self) -> float:
        """Return the level at which the loss ended: the mean of the last tenth; NaN where it was lost."""
        if not len(self.loss) or not math.isfinite(self.loss[-1]):
            return math.nan
        tail = self.loss[-max(1, len(self.loss) // 10) :]
        return float(np.mean(tail[np.isfinite(tail)]))

    def looks_of(self, course: Course | None) -> list[Look]:
        """Return the looks at steps of one course."""
        if course is None:
            return []
        return [look for look in self.case.looks if all(op.optimizer is course.optimizer for op in look.events("step"))]

    @functools.cached_property
    def playable(self) -> list[Look]:
        """Return the looks of the main course that can be run again; none where optimizers play against each other."""
        return [look for look in self.looks_of(self.course) if can_play(look)] if self._alone else []

    @functools.cached_property
    def _alone(self) -> bool:
        return bool(playable(self.case)) or all(
            len({id(op.optimizer) for op in look.events("step")}) <= 1 for look in self.case.looks
        )

    @functools.cached_property
    def meets(self) -> list[tuple[Look, Meeting]]:
        """Return how predictions and targets meet, for each look of the main course that has one such place."""
        found = []
        for look in self.looks_of(self.course):
            met = meetings(look)
            if met:
                found.append((look, met[0]))
        return found

    def inputs(self, look: Look) -> list[int]:
        """Return the numbers of what the network is fed in a look: its data short of the targets."""
        targets = {n for meeting in meetings(look) for n in (meeting.target, self.target_of(look, meeting))}
        fed = [n for n in leaves(look) if n in look.tensors and look.values[n].shape]
        return [n for n in fed if n not in targets] or fed  # an autoencoder is told what it is fed

    def target_of(self, look: Look, met: Meeting) -> int:
        """Return the number of a look's targets as they came, a row for each of the batch's, before any reshaping."""
        number, rows = met.target, self._batch_rows(look)
        while number in look.tensors and _rows(look.tensors[number]) != rows:
            op = look.maker(number)
            source = next((n for n in op.inputs if n in look.tensors), None) if op is not None else None
            if source is None or op is None or op.name not in _RESHAPING:
                return met.target
            number = source
        return number if number in look.tensors else met.target

    def _batch_rows(self, look: Look) -> int:
        """Return the rows of what the first network with parameters is fed."""
        given = given_values(look)
        for op in look.ancestors(look.losses()[0]):
            if op.kind == "module" and next(op.func.parameters(), None) is not None:
                fed = [n for n in op.inputs if n in given and look.tensors[n].dim()]
                if fed:
                    return len(look.tensors[fed[0]])
        return -1

    def inputs_rows(self, look: Look) -> int:
        """Return how many rows a look's batch has; 0 where that is not known."""
        return max((_rows(look.tensors[number]) for number in self.inputs(look)), default=0)

    @functools.cached_property
    def pairs(self) -> tuple[Tensor, Tensor] | None:
        """Return the rows the network was fed and their targets, (N, ...) both, each row once; None if unknown."""
        xs, ys, rows = list[Tensor](), list[Tensor](), 0
        for look, meeting in self.meets:
            target = look.tensors.get(self.target_of(look, meeting))
            if target is None or not target.dim():
                continue
            fed = next((look.tensors[n] for n in self.inputs(look) if _rows(look.tensors[n]) == len(target)), None)
            if fed is None or fed.is_sparse or (xs and fed.shape[1:] != xs[0].shape[1:]):
                continue
            if ys and target.shape[1:] != ys[0].shape[1:]:
                continue
            xs.append(fed.detach().cpu())
            ys.append(target.detach().cpu())
            rows += len(fed)
            if rows >= _ROWS:
                break
        if not xs:
            return None
        x, y = torch.cat(xs), torch.cat(ys)
        keys = torch.cat([x.reshape(len(x), -1).double(), y.reshape(len(y), -1).double()], dim=1)
        _, first = np.unique(keys.numpy(), axis=0, return_index=True)
        order = torch.as_tensor(np.sort(first))
        return x[order], y[order]

    @functools.cached_property
    def bench(self) -> Bench | None:
        """Return a bench for experiments; None where the step is not one input, one target and one optimizer."""
        course, rows = self.course, self.pairs
        if course is None or course.optimizer is None or rows is None or len(rows[0]) < FEWEST or not self.case.start:
            return None
        stands = [
            stand_of(look, met, target=self.target_of(look, met), inputs=self.inputs(look))
            for look, met in self.meets
            if any(look is known for known in self.playable)
        ]
        known = [stand for stand in stands if stand is not None]
        return Bench(self.case, course, usual(known), rows, until=self.until) if known else None

    @functools.cached_property
    def fit(self) -> Fit | None:
        """Return how the loss ended against that of the best constant answer; None where that is not known."""
        kinds = {meeting.kind for _, meeting in self.meets}
        if not math.isfinite(self.end) or not self.playable or not self.is_plain:
            return None
        ends = self.end_losses
        return None if self.trivial is None or not ends else Fit(self.trivial, float(np.mean(ends)), next(iter(kinds)))

    @functools.cached_property
    def is_plain(self) -> bool:
        """Return whether the loss is one known measure of error and nothing else: no weights, no further terms."""
        whole = [(look, met) for look, met in self.meets if math.isfinite(look.loss)]
        # near zero all losses agree: ask at the start and half-way too
        told = [whole[k] for k in sorted({0, len(whole) // 2, len(whole) - 1})] if whole else []
        plain = [(look.loss, plain_loss(look, met)) for look, met in told]
        return bool(plain) and all(b is not None and abs(a - b) <= 0.02 * abs(a) + 1e-6 for a, b in plain)

    @functools.cached_property
    def trivial(self) -> float | None:
        """Return the loss of the best constant answer; None where it is not known."""
        kinds = {meeting.kind for _, meeting in self.meets}
        targets = [look.tensors[m.target] for look, m in self.meets if m.target in look.tensors]
        return trivial_loss(next(iter(kinds)), targets) if len(kinds) == 1 else None

    @functools.cached_property
    def end_losses(self) -> list[float]:
        """Return the losses of the captured looks with the final weights."""
        with held(self.case):
            try:
                return [value for value in losses_of(self.playable) if math.isfinite(value)]
            except Exception:
                return []

    @functools.cached_property
    def learnt(self) -> bool | None:
        """Return whether training itself succeeded: the loss fell far below the best constant answer's.

        None where no trivial loss is known (losses of one's own, games of two networks).
        """
        if len(self.loss) and not math.isfinite(self.loss[-1]):
            return False
        return None if self.fit is None else self.fit.share < LEARNT


def plain_loss(look: Look, met: Meeting) -> float | None:
    """Return the mean error of a look's predictions by the measure that their meeting names; None where unknown."""
    prediction, target = kept(look, met.prediction), kept(look, met.target)
    if prediction is None or target is None:
        return None
    with torch.no_grad():
        try:
            match met.kind:
                case "mse_loss" | "squared":
                    return float((prediction - target).double().pow(2).mean())
                case "absolute":
                    return float((prediction - target).double().abs().mean())
                case "l1_loss":
                    return float(getattr(torch.nn.functional, met.op.name)(prediction, target))
                case "cross_entropy" | "nll_loss" | "binary_cross_entropy" | "binary_cross_entropy_with_logits":
                    return float(getattr(torch.nn.functional, met.kind)(prediction, target))
        except (RuntimeError, ValueError, IndexError):
            return None
    return None


def kept(look: Look, number: int) -> Tensor | None:
    """Return a value that was kept, under whichever number it was."""
    if number in look.tensors:
        return look.tensors[number].detach()
    inner = look.inner(number)
    same = (n for n in look.tensors if look.inner(n) == inner)
    return next((look.tensors[n].detach() for n in same), None)


def trivial_loss(kind: str, targets: Sequence[Tensor]) -> float | None:
    """Return the loss of the best constant answer to targets, averaged over entries; None for other losses."""
    if not targets:
        return None
    if kind in ("cross_entropy", "nll_loss"):
        if targets[0].is_floating_point():
            mean = torch.cat([t.reshape(-1, t.shape[-1]) for t in targets]).double().mean(0)
        else:
            flat = torch.cat([t.reshape(-1) for t in targets])
            flat = flat[flat >= 0]
            mean = torch.bincount(flat).double() / max(1, len(flat))
        return float(torch.special.entr(mean).sum())
    flat = torch.cat([t.reshape(len(t), -1) if t.dim() else t.reshape(1, 1) for t in targets]).double()
    if kind in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
        mean = flat.mean(0).clamp(0, 1)
        return float((torch.special.entr(mean) + torch.special.entr(1 - mean)).mean())
    if kind in ("mse_loss", "squared"):
        return float(flat.var(0, unbiased=False).mean())
    if kind in ("l1_loss", "absolute"):
        return float((flat - flat.median(0).values).abs().mean())
    return None


def median_of(values: Sequence[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else math.nan


def _rows(tensor: Tensor) -> int:
    return len(tensor) if tensor.dim() else -1
