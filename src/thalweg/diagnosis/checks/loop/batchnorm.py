"""Running statistics of batch norms that are not those of the data."""

import contextlib
import dataclasses
import linecache
import math
import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.evaluations import NORMS, evaluation_calls, in_mode, training_calls
from thalweg.diagnosis.checks.loop.telling import seen, tell
from thalweg.diagnosis.checks.loop.threads import steps_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, can_play, held, losses_of
from thalweg.diagnosis.watching import Case, Look, Place
from thalweg.findings import Finding, Picture, Severity

_MENDED = 0.7  # of the loss in evaluation mode: what right statistics must bring it below
_WORTH = 0.1  # of the trivial loss, that they must gain
_FEW = 4  # values of a channel from which its statistics are taken
_LOOKS = 16
_EXPLAINS = (
    "overfitting",
    "train-test-mismatch",
    "harmful-augmentation",
    "data-leak",
    "wrong-metric",
)
_MOMENTUM = re.compile(r"momentum\s*=\s*([A-Za-z_]\w*)")


@dataclasses.dataclass(frozen=True)
class Norms:
    """Losses of captured batches at the end: in training mode, in evaluation mode, and there with right statistics.

    `off` is by how many standard deviations each layer's running mean misses the batches', `few` the number of values a
    channel's statistics are made of.
    """

    training: float
    evaluation: float
    mended: float
    off: dict[str, float]
    worst: nn.Module
    few: float


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BatchnormStatistics(CaseCheck):
    """Find running statistics so far from those of the batches that evaluation suffers.

    On captured batches and with the final weights, the loss in evaluation mode is taken with the running statistics and
    again with the mean and variance that each layer really meets. It is a fault if those bring the loss clearly down;
    or, where a channel has only a few values in a batch, if evaluation is far worse than training however one counts.
    """

    name: ClassVar[str] = "batchnorm-statistics"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        course = facts.course
        looks = [look for look in steps_of(case, course) if can_play(look)][-_LOOKS:] if course else []
        calls = training_calls(case, looks)
        if not any(call.normalising for call in calls) or _are_unused(case):
            return []
        norms = measured(case, looks)
        if norms is None:
            return []
        level = facts.trivial or facts.start
        worth = _WORTH * level if math.isfinite(level) else math.inf
        slow = norms.mended < _MENDED * norms.evaluation and norms.evaluation - norms.mended > worth
        tiny = norms.few <= _FEW and norms.evaluation > 2 * norms.training and norms.evaluation - norms.training > worth
        if not slow and not tiny:
            return []
        enough = slow and not (tiny and norms.mended > 2 * norms.training)  # right statistics are all that is missing
        momentum = getattr(norms.worst, "momentum", None)
        values = {
            "layer": case.path(norms.worst),
            "momentum": "None" if momentum is None else f"{momentum:g}",
            "few": f"{norms.few:.0f}",
            "times": _times(norms.evaluation / max(norms.training, 1e-12)),
        }
        evidence = [
            seen("loss_training_mode", norms.training),
            seen("loss_evaluation_mode", norms.evaluation, f"{norms.training:.3g}"),
            seen("loss_right_statistics", norms.mended),
            seen("mean_off", max(norms.off.values()), "< 0.5"),
        ]
        picture = Picture(
            what=message("loop_checks.seen_mean_off"), values=tuple(norms.off.values()), names=tuple(norms.off)
        )
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.96,
                said=None if enough else "few-values",
                place=_setting_line(case.made.get(id(norms.worst))),
                values=values,
                evidence=evidence,
                picture=picture,
                where={"layer": case.path(norms.worst)},
                reckoned="tried",
                explains=_EXPLAINS,
            )
        ]


def _times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"


def _are_unused(case: Case) -> bool:
    """Return whether evaluations take the statistics of their own batch: then running ones can do no harm."""
    calls = [call for call in evaluation_calls(case) if any(_keeps_statistics(m) for m in call.op.func.modules())]
    return bool(calls) and sum(bool(call.normalising) for call in calls) > len(calls) / 2


def _setting_line(place: Place | None) -> Place | None:
    """Return the line that sets the momentum, where the layer's own line takes it from a constant of the file."""
    if place is None or (named := _MOMENTUM.search(linecache.getline(place.file, place.line))) is None:
        return place
    for number, line in enumerate(linecache.getlines(place.file), 1):
        if re.match(rf"\s*{named[1]}\s*(:[^=]*)?=\s*[\d.]", line):
            return dataclasses.replace(place, line=number)
    return place


def measured(case: Case, looks: Sequence[Look]) -> Norms | None:
    """Return what the batch norms of a case do to captured batches; None where that cannot be played."""
    layers = [(path, m) for path, m in case.modules() if _keeps_statistics(m)]
    if not layers or not looks:
        return None
    before = [(m, m.running_mean.clone(), m.running_var.clone()) for _, m in layers]  # type: ignore[operator]
    try:
        with held(case):
            met, sizes = dict[int, list[tuple[Tensor, Tensor]]](), list[int]()
            with _noting([m for _, m in layers], met, sizes):
                training = _mean(losses_of([in_mode(look, True) for look in looks]))
            _put(before)
            off = {path: _missed(m, met[id(m)]) for path, m in layers if id(m) in met}
            evaluation = _mean(losses_of([in_mode(look, False) for look in looks]))
            mended = _mended([m for _, m in layers], looks)
    except CannotPlay:
        return None
    if not off:
        return None
    worst = max(off, key=lambda path: off[path])
    return Norms(training, evaluation, mended, off, dict(layers)[worst], float(np.median(sizes)))


def _keeps_statistics(module: nn.Module) -> bool:
    return isinstance(module, NORMS) and module.running_mean is not None


def _mended(layers: Sequence[nn.Module], looks: Sequence[Look]) -> float:
    """Return the loss in evaluation mode with statistics taken afresh: averaged over the batches."""
    before = [(m, m.momentum) for m in layers]
    for layer in layers:
        layer.momentum = None  # type: ignore[assignment]
        layer.reset_running_stats()  # type: ignore[operator]
    try:
        losses_of([in_mode(look, True) for look in looks])
        return _mean(losses_of([in_mode(look, False) for look in looks]))
    finally:
        for layer, momentum in before:
            layer.momentum = momentum


@contextlib.contextmanager
def _noting(
    layers: Sequence[nn.Module], met: dict[int, list[tuple[Tensor, Tensor]]], sizes: list[int]
) -> Iterator[None]:
    def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        rows = args[0].detach().movedim(1, 0).flatten(1) if args[0].dim() > 1 else args[0].detach()[:, None]
        met.setdefault(id(module), []).append((rows.mean(1), rows.var(1, unbiased=False)))
        sizes.append(rows.shape[1])

    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _missed(layer: nn.Module, met: Sequence[tuple[Tensor, Tensor]]) -> float:
    """Return by how many standard deviations the running mean misses that of the batches, as a root mean square."""
    mean = torch.stack([mean for mean, _ in met]).mean(0)
    spread = torch.stack([var for _, var in met]).mean(0).sqrt().clamp_min(1e-6)
    return float((((layer.running_mean - mean) / spread) ** 2).mean().sqrt())  # type: ignore[operator]


def _put(before: Sequence[tuple[nn.Module, Tensor, Tensor]]) -> None:
    for layer, mean, var in before:
        layer.running_mean.copy_(mean)  # type: ignore[operator]
        layer.running_var.copy_(var)  # type: ignore[operator]


def _mean(losses: Sequence[float]) -> float:
    return float(np.mean(losses))
