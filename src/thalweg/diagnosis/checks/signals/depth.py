"""Signals that fade or grow by a steady factor with depth or time, and why: the activation, the weights, the depth."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import nn

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, place_of, seen
from thalweg.diagnosis.checks.signals.layers import SATURATING, Passage, passages
from thalweg.diagnosis.checks.signals.starts import gain, is_slow, labels, started
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Picture, Severity

LOST = 1e-4  # of the last layer's gradient: what reaches the first layer when it has vanished
_SMALL, _LARGE = 0.25, 5.0  # gain of a layer's weights: rms times root of fan-in; He's is 1.4, PyTorch's own 0.58
_BLOWN = 100.0  # times the trivial loss at the start
_GROWN, _WIDE = 30.0, 100.0  # outputs against inputs; outputs by themselves
_RADIUS = 1.2  # of a recurrent matrix: above it a state grows
_FEW = 3  # layers with weights, below which there is no depth to speak of
_FADED = (
    "lr-too-low",
    "underfitting",
    "saddle-point",
    "stopped-too-early",
    "dead-relu",
    "over-regularized",
    "optimizer-settings",
)
_EXPLODES = (
    "lr-too-high",
    "non-finite",
    "bad-init-scale",
    "dead-relu",
    "lr-too-low",
    "stopped-too-early",
    "loss-scale",
    "unscaled-targets",
    "unscaled-inputs",
    "optimizer-settings",
    "batch-size",
    "underfitting",
    "saturated-units",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VanishingGradients(CaseCheck):
    """Find a gradient that fades by a steady factor a layer; where small first weights are why, say that instead."""

    name: ClassVar[str] = "vanishing-gradients"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        start = passages(case, facts, start=True)
        end = passages(case, facts, start=False)
        if not start or not end or not is_slow(facts):
            return []
        first, last = _profile(start), _profile(end)
        if len(first) < _FEW or not 0 < first[0] < LOST * first[-1]:
            return []
        if last[0] >= 100 * LOST * max(last[-1], 1e-300):
            return []  # it has come back
        return [self._says(case, facts, start[0], first)]

    def _says(self, case: Case, facts: Facts, passage: Passage, profile: Sequence[float]) -> Finding:
        weighted = passage.weighted
        gains = [gain(case, layer) for layer in weighted[:-1]]
        small = sum(g < _SMALL for g in gains) > len(gains) / 2
        place = started(case, passage, weighted[0]) if small else _squashing(case, passage)
        factor = (profile[-1] / profile[0]) ** (1 / (len(profile) - 1))
        return found(
            "bad-init-scale" if small else self.name,
            Severity.CRITICAL,
            0.9,
            place=place or place_of(case, weighted[0].op),
            evidence=[seen("first_to_last", profile[0] / profile[-1], f"> {LOST:g}"), seen("loss_end", facts.end)],
            values={"factor": f"{factor:.2g}", "layers": len(profile), "gain": f"{_middle(gains):.2g}"},
            where={"layer": weighted[0].name},
            said="init-too-small" if small else "",
            reckoned=message("causes.from_rows"),
            picture=Picture(
                what=message("evidence.gradient_by_layer"), values=tuple(profile), names=labels(weighted), log=True
            ),
            explains=(*_FADED, "vanishing-gradients") if small else _FADED,
        )


def _profile(found: Sequence[Passage]) -> list[float]:
    """Return the gradient at the values of each layer with weights, the median over looks, in order."""
    depth = min(len(p.weighted) for p in found)
    return [_middle([p.weighted[k].gradient for p in found]) for k in range(depth)]


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _squashing(case: Case, passage: Passage) -> Place | None:
    """Return the line of the first activation that can saturate."""
    layer = next((layer for layer in passage.activations if layer.op.name in SATURATING), None)
    return place_of(case, layer.op) if layer else None


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExplodingGradients(CaseCheck):
    """Find signals that grow by a steady factor, layer by layer or moment by moment, before any step was taken.

    Layer by layer it is the scale of the first weights, and named so.
    """

    name: ClassVar[str] = "exploding-gradients"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        start = passages(case, facts, start=True)
        if not start or not is_slow(facts):
            return []
        trivial = facts.fit.trivial if facts.fit else math.nan
        blown = start[0].loss > _BLOWN * trivial if trivial > 0 else False
        radius, module = _recurrence(case)
        if module is None or radius <= _RADIUS or not blown:
            return _too_large(case, start[0], blown)
        healthy = f"about {trivial:.3g}"
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.93,
                place=_recurrent_place(case, module),
                evidence=[seen("spectral_radius", radius, "<= 1"), seen("loss_start", start[0].loss, healthy)],
                said="recurrence-explodes",
                values={"radius": f"{radius:.2g}"},
                where={"layer": case.path(module)},
                explains=_EXPLODES,
            )
        ]


def _too_large(case: Case, passage: Passage, blown: bool) -> list[Finding]:
    weighted = passage.weighted
    spreads = [layer.std for layer in weighted]
    gains = [gain(case, layer) for layer in weighted]
    if len(weighted) < 2 or not all(math.isfinite(s) and s > 0 for s in spreads):
        return []
    large = sum(g > _LARGE for g in gains) >= max(1, len(gains) / 2)
    if not large or spreads[-1] <= _GROWN * max(passage.input_std, 1e-12):
        return []
    if not blown and spreads[-1] <= _WIDE:
        return []
    return [
        found(
            "bad-init-scale",
            Severity.CRITICAL,
            0.9,
            place=started(case, passage, weighted[0]) or place_of(case, weighted[0].op),
            said="init-too-large",
            evidence=[seen("output_spread", spreads[-1], "about 1"), seen("loss_start", passage.loss)],
            values={"gain": f"{_middle(gains):.2g}", "spread": f"{spreads[-1]:.3g}"},
            picture=Picture(
                what=message("evidence.spread_by_layer"), values=tuple(spreads), names=labels(weighted), log=True
            ),
            where={"layer": weighted[0].name},
            reckoned=message("causes.from_rows"),
            explains=_EXPLODES,
        )
    ]


def _recurrence(case: Case) -> tuple[float, nn.Module | None]:
    """Return the largest spectral radius of a recurrent matrix before training, and its module."""
    best: tuple[float, nn.Module | None] = (0.0, None)
    copies = {id(tensor): copy for tensor, copy in case.start}
    for _, module in case.modules():
        for name, parameter in module.named_parameters(recurse=False):
            copy = copies.get(id(parameter))
            if "hh" in name and copy is not None and copy.dim() == 2 and copy.shape[0] == copy.shape[1]:
                radius = float(torch.linalg.eigvals(copy.double()).abs().max())
                if radius > best[0]:
                    best = (radius, module)
    return best


def _recurrent_place(case: Case, module: nn.Module) -> Place | None:
    """Return the line that set the recurrent weights, else the one that made their module."""
    for name, parameter in module.named_parameters():
        if "hh" in name and id(parameter) in case.started:
            return case.started[id(parameter)][1]
    return case.made.get(id(module))
