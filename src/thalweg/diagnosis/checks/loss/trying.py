"""Trains some steps again with another loss than the script's, and tells how well predictions then fit."""

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from thalweg.diagnosis.checks.loss.tracing import kept, outside
from thalweg.diagnosis.facts import trivial_loss
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.replay import CannotPlay, fresh, play
from thalweg.diagnosis.watching import Course, Look

Met = tuple[Look, Meeting]


def train_with(
    course: Course, looks: Sequence[Look], steps: int, loss: Callable[[Look], Tensor], *, until: float
) -> None:
    """Take steps down another loss from today's weights, with the course's optimizer as it was before its first step.

    Raises `CannotPlay`.
    """
    if course.optimizer is None:
        raise CannotPlay("weights are changed by hand")
    with fresh(course, 1.0, {}) as optimizer:
        for step in range(steps):
            optimizer.zero_grad()
            with torch.enable_grad():
                value = loss(looks[step % len(looks)])
            if not bool(torch.isfinite(value)) or not value.requires_grad or time.perf_counter() > until:
                break
            value.backward()
            optimizer.step()


def fit_left(mets: Sequence[Met]) -> float:
    """Return which share is left, with today's weights, of the way from the best constant answer to a perfect one.

    The script's own reduction does not matter. NaN where that is not known, infinite where predictions are no numbers.
    Raises `CannotPlay`.
    """
    kinds = {met.kind for _, met in mets}
    targets = [target for look, met in mets if (target := kept(look, met.target)) is not None]
    trivial = trivial_loss(next(iter(kinds)), targets) if len(kinds) == 1 and len(targets) == len(mets) else None
    if trivial is None:
        return math.nan
    errors = []
    for look, met in mets:
        number = outside(look, met.op.outputs[0])
        errors.append(_mean_error(met, look, play(look, [number], grad=False)[number]))
    total, best = sum(errors) / len(errors), _best(mets[0][1].kind, targets)
    if trivial <= best:
        return math.nan
    return (total - best) / (trivial - best) if math.isfinite(total) else math.inf


def _best(kind: str, targets: Sequence[Tensor]) -> float:
    """Return the loss of a perfect answer: the entropy of targets that are probabilities themselves."""
    flat = [target.double() for target in targets]
    if kind.startswith("binary_cross_entropy"):
        return float(torch.cat([(torch.special.entr(t) + torch.special.entr(1 - t)).flatten() for t in flat]).mean())
    if kind == "cross_entropy" and targets[0].is_floating_point():
        return float(torch.cat([torch.special.entr(t).sum(1).flatten() for t in flat]).mean())
    return 0.0


def _mean_error(met: Meeting, look: Look, value: Tensor) -> float:
    if met.kind == "squared":
        return float((value.double() ** 2).mean())
    if met.kind == "absolute":
        return float(value.double().abs().mean())
    if met.reduction == "sum":
        return float(value) / entries(look, met)
    return float(value.double().mean())


def entries(look: Look, met: Meeting) -> int:
    """Return how many errors a loss adds up: rows where targets name classes, entries otherwise."""
    shape = look.values[met.target if met.kind in ("cross_entropy", "nll_loss") else met.prediction].shape
    if met.kind == "cross_entropy" and look.values[met.target].dtype.is_floating_point:
        shape = (shape[0], *shape[2:]) if len(shape) > 1 else ()
    return math.prod(shape)
