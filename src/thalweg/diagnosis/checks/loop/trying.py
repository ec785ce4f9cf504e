"""Trains on from where a course ended, with more parameters than it had, and judges on other looks."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from thalweg.diagnosis.facts import Facts, trivial_loss
from thalweg.diagnosis.meeting import meetings
from thalweg.diagnosis.replay import CannotPlay, can_play, fresh, held, losses_of, rerun
from thalweg.diagnosis.watching import Case, Course, Look

STEPS = 200
_FEWEST = 4  # looks: half to train on, half to judge by


@dataclasses.dataclass(frozen=True)
class Gain:
    """Losses of looks kept aside, and of those trained on, as the script goes on and with more let free.

    `trivial` is the loss of the best constant answer, NaN if not known.
    """

    same: float
    freed: float
    same_trained: float
    freed_trained: float
    trivial: float

    @property
    def share(self) -> float:
        """Return what is gained as a share of the trivial loss, of the loss itself where that is not known."""
        level = self.trivial if self.trivial > 0 else self.same
        return (self.same - self.freed) / level if level > 0 else 0.0

    @property
    def fits(self) -> bool:
        """Return whether at least what was trained on is fitted far better: enough where nothing was learnt before."""
        return math.isfinite(self.freed_trained) and self.freed_trained < 0.67 * self.same_trained

    def clear(self, share: float) -> bool:
        """Return whether the gain is at least this share and a fifth of what was left."""
        return (
            math.isfinite(self.same)
            and math.isfinite(self.freed)
            and self.share >= share
            and self.freed < 0.8 * self.same
        )


def gain(
    case: Case,
    facts: Facts,
    course: Course,
    looks: Sequence[Look],
    freed: Sequence[Tensor],
    *,
    mended: Sequence[Look] = (),
    within: contextlib.AbstractContextManager[Any] = contextlib.nullcontext(),  # noqa: B008 - does nothing
) -> Gain | None:
    """Return what comes of training on with `freed` among the parameters; None where that cannot be tried.

    The second half of the experiment takes the looks `mended`, if given, and runs inside `within`.
    """
    pairs = [(a, b) for a, b in zip(looks, mended or looks, strict=True) if can_play(a)]
    if len(pairs) < _FEWEST or course.optimizer is None or facts.left <= 0:
        return None
    train, aside = pairs[::2], pairs[1::2]
    try:
        with _free(freed), held(case) as lent:
            same = _after(course, [a for a, _ in train], [a for a, _ in aside], (), facts)
            lent.to_end()
            with within:
                other = _after(course, [b for _, b in train], [b for _, b in aside], freed, facts)
    except CannotPlay:
        return None
    return Gain(same[0], other[0], same[1], other[1], trivial_of(looks))


def _after(
    course: Course, train: Sequence[Look], aside: Sequence[Look], freed: Sequence[Tensor], facts: Facts
) -> tuple[float, float]:
    """Return the losses of looks kept aside and of those trained on, after some steps."""
    with fresh(course, 1.0, {}) as optimizer:
        group = optimizer.param_groups[0]
        own = group["params"]
        known = {id(p) for g in optimizer.param_groups for p in g["params"]}
        group["params"] = [*own, *(p for p in freed if id(p) not in known)]
        try:
            losses = rerun(course, train, STEPS, optimizer=optimizer, until=facts.until)
        finally:
            group["params"] = own
    if not losses or not math.isfinite(losses[-1]):
        return math.inf, math.inf
    return _level(aside), _level(train)


def _level(looks: Sequence[Look]) -> float:
    return float(np.mean(losses_of(looks))) / float(np.mean([len(look.losses()) for look in looks]))


@contextlib.contextmanager
def _free(tensors: Sequence[Tensor]) -> Iterator[None]:
    before = [(tensor, tensor.requires_grad, tensor.grad) for tensor in tensors]
    for tensor in tensors:
        tensor.requires_grad = True  # a script may have put something else in the method's place
    try:
        yield
    finally:
        for tensor, asked, grad in before:
            tensor.requires_grad = asked
            tensor.grad = grad


def trivial_of(looks: Sequence[Look]) -> float:
    """Return the loss of the best constant answer to the targets of looks; NaN if not known."""
    mets = [(look, met[0]) for look in looks if (met := meetings(look))]
    kinds = {met.kind for _, met in mets}
    targets = [look.tensors[met.target].detach() for look, met in mets if met.target in look.tensors]
    if len(kinds) != 1 or not targets:
        return math.nan
    with contextlib.suppress(RuntimeError), torch.no_grad():
        found = trivial_loss(next(iter(kinds)), targets)
        return math.nan if found is None else found
    return math.nan
