"""The first operation that makes NaN or infinity of finite numbers."""

import dataclasses
import math
import time
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, Deep, deeply, held, rerun
from thalweg.diagnosis.watching import Case, Op
from thalweg.findings import Finding, Severity

_CLIMB = 100.0  # times its start: a loss that climbed this far before it was lost was driven there by its steps
_RISEN = 5.0  # times its start: the same in a training made again
_FEWEST = 5  # steps before it breaks again
_AGAIN = 6.0  # seconds of training again
_CAREFUL = frozenset(
    "masked_fill masked_fill_ where full full_like zeros ones tensor nan_to_num fill_ triu tril __setitem__ isnan "
    "isfinite".split()
)  # make infinity on purpose
_MASKED = frozenset(("softmax", "log_softmax", "scaled_dot_product_attention"))
_EXPLAINS = (
    "lr-too-high",
    "exploding-gradients",
    "dead-relu",
    "bad-columns",
    "saturated-units",
    "loss-sign",
    "optimizer-settings",
    "unscaled-inputs",
    "batch-size",
)


@dataclasses.dataclass(frozen=True)
class _Hit:
    """The operation that breaks, whether on the way forward or back, and the range of what it was given."""

    op: Op
    backward: bool
    lowest: float
    highest: float


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NonFinite(CaseCheck):
    """Find the operation that first makes NaN or infinity, forwards or backwards, where steps did not drive it there.

    Captured batches, those after the accident among them, are run again with the weights before training, which are
    finite: an operation that breaks there breaks for a reason of its own.
    """

    name: ClassVar[str] = "non-finite"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if case.broken is None:
            return []
        step = case.broken[0]
        hit = _at_start(case, step)
        if hit is None and not _climbed(facts, step):
            hit = _at_end(case, step) or _on_the_way(case, facts, step)
        return [] if hit is None else [self._says(case, hit, step)]

    def _says(self, case: Case, hit: _Hit, step: int) -> Finding:
        return found(
            self.name,
            Severity.CRITICAL,
            0.96,
            place=hit.op.place,
            evidence=[
                seen("first_lost_step", step),
                seen("given_lowest", hit.lowest),
                seen("given_highest", hit.highest),
            ],
            said="non-finite-backward" if hit.backward else "",
            values={"function": hit.op.name.strip("_"), "step": step},
            where={"layer": case.path(hit.op.module) or None, "step": step},
            explains=_EXPLAINS,
        )


def _at_start(case: Case, step: int) -> _Hit | None:
    """Look with the weights before training."""
    with held(case) as lent:
        if not lent.has_start:
            return None
        lent.to_start()
        return _first(case, step)


def _at_end(case: Case, step: int) -> _Hit | None:
    """Look with the last weights, if those are finite still: some operations break only when outputs are large."""
    with held(case):
        if any(not bool(torch.isfinite(t).all()) for t, _ in case.start if t.is_floating_point()):
            return None
        return _first(case, step)


def _on_the_way(case: Case, facts: Facts, step: int) -> _Hit | None:
    """Train again until it breaks: some operations break only at outputs that training leads to."""
    looks = facts.playable
    if not looks or facts.course is None:
        return None
    with held(case) as lent:
        if not lent.has_start:
            return None
        lent.to_start()
        until = min(facts.until, time.perf_counter() + _AGAIN)
        try:
            losses = rerun(facts.course, looks, 2 * step + 50, until=until)
        except CannotPlay:
            return None
        if len(losses) < _FEWEST or math.isfinite(losses[-1]):
            return None  # it holds
        if max(map(abs, losses[:-1])) > _RISEN * abs(losses[0]) + 1e-9:
            return None  # its steps drive it there
        return _first(case, step)


def _climbed(facts: Facts, step: int) -> bool:
    """Return whether the loss rose far above its start before it was lost."""
    before = facts.loss[: step + 1]
    before = before[np.isfinite(before)]
    return len(before) > 0 and float(np.abs(before).max()) > _CLIMB * abs(facts.start) > 0


def _first(case: Case, step: int) -> _Hit | None:
    looks = [look for look in case.looks if look.losses()]
    for look in sorted(looks, key=lambda look: abs(look.step - step)):
        try:
            deep = deeply(look, data=True)
        except CannotPlay:
            try:
                deep = deeply(look)
            except CannotPlay:
                continue
        hit = _forward(deep) or _backward(deep)
        if hit is not None:
            return hit
    return None


def _forward(deep: Deep) -> _Hit | None:
    for op in reversed(deep.look.trail(deep.look.losses()[0])):
        if op.name in _CAREFUL or op.kind != "function":
            continue
        outs = [deep.tensors[n] for n in op.outputs]
        ins = [deep.tensors[n] for n in op.inputs]
        if all(_fine(t) for t in outs) or not all(_fine(t, masks=op.name in _MASKED) for t in ins):
            continue
        return _Hit(op, False, *_range(ins))
    return None


def _fine(tensor: Tensor, *, masks: bool = False) -> bool:
    """Return whether all numbers are finite; minus infinity is what masks are made of."""
    if not tensor.is_floating_point():
        return True
    bad = ~torch.isfinite(tensor)
    return not bool((bad & (tensor != -torch.inf)).any() if masks else bad.any())


def _backward(deep: Deep) -> _Hit | None:
    """Return the operation whose inputs get a gradient that is no number although its result got one."""
    if not deep.loss.requires_grad:
        return None
    trail = [op for op in deep.look.trail(deep.look.losses()[0]) if op.kind == "function" and op.outputs]
    for op in trail:  # the last first: the way of the gradient
        ins = [n for n in op.inputs if deep.tensors[n].requires_grad]
        if not ins:
            continue
        out, *into = deep.gradients([op.outputs[0], *ins])
        if out is None or not _fine(out):
            continue
        if any(g is not None and not _fine(g) for g in into):
            return _Hit(op, True, *_range([deep.tensors[n] for n in op.inputs]))
    return None


def _range(tensors: list[Tensor]) -> tuple[float, float]:
    known = [t.detach().double() for t in tensors if t.is_floating_point() and t.numel()]
    if not known:
        return 0.0, 0.0
    return min(float(t.min()) for t in known), max(float(t.max()) for t in known)
