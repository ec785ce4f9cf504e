"""Signals that are lost or blown up on their way through the layers, and why: the activation, the weights, the depth."""

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import nn

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, place_of, seen
from thalweg.diagnosis.checks.signals.layers import SATURATING, Layer, Passage, passages
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Picture, Severity

LOST = 1e-4  # of the last layer's gradient: what reaches the first layer when it has vanished
_DEAD = 0.9  # of a layer's units that no row wakes
_FLAT = 0.6  # of a layer's entries where its activation is flat
_SMALL, _LARGE = 0.25, 5.0  # gain of a layer's weights: rms times root of fan-in; He's is 1.4, PyTorch's own 0.58
_BLOWN = 100.0  # times the trivial loss at the start
_FEW = 3  # layers with weights, below which there is no depth to speak of


def _slow(facts: Facts) -> bool:
    """Return whether a network that should have learnt did not: the gate for all that is not an exact fault."""
    if facts.fit is not None:
        return facts.fit.share > 0.3
    return facts.learnt is False or (facts.end > 0.7 * facts.start if facts.start > 0 else False)


def _gain(layer: Layer) -> float:
    weight = layer.weight
    assert weight is not None
    fan = weight[0].numel() if weight.dim() > 1 else 1
    return float(weight.detach().double().pow(2).mean().sqrt()) * math.sqrt(fan)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DeadRelu(CaseCheck):
    """Find rectifiers of which nearly every unit is zero for every row, before the first step or for good."""

    name: ClassVar[str] = "dead-relu"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if not _slow(facts):
            return []
        start, end = passages(case, facts, start=True), passages(case, facts, start=False)
        born, later = _deadest(start), _deadest(end)
        if later is None or later[1] < _DEAD:
            return []
        layer, share = later
        from_start = born is not None and born[1] >= _DEAD
        place, said = place_of(case, layer.op), ""
        if from_start and born is not None:
            layer, share = born
            place = _started(case, start[0], layer) or place_of(case, layer.op)
            said = "dead-from-start"
        evidence = [seen("dead_units", share, f"< {_DEAD}"), seen("loss_end", facts.end)]
        severity = Severity.CRITICAL if from_start else Severity.NOTE  # later on it is a consequence
        return [
            found(self.name, severity, 0.95 if from_start else 0.6, place=place, said=said, evidence=evidence,
                  values={"percent": f"{100 * share:.0f}", "layer": layer.name}, where={"layer": layer.name},
                  reckoned=message("causes.from_rows"), picture=_dead_picture(end),
                  explains=("vanishing-gradients", "bad-init-scale", "saddle-point", "lr-too-low", "underfitting", "stopped-too-early",
                            "detached-graph", "class-imbalance", "optimizer-settings") if from_start else ())
        ]  # fmt: skip


def _deadest(found: Sequence[Passage]) -> tuple[Layer, float] | None:
    """Return the layer with the largest share of units that no row of any look wakes."""
    if not found:
        return None
    places = range(min(len(p.activations) for p in found))
    ranked = [(min(p.activations[k].dead for p in found), found[-1].activations[k]) for k in places]
    share, layer = max(ranked, key=lambda pair: pair[0], default=(0.0, None))
    return None if layer is None else (layer, share)


def _dead_picture(found: Sequence[Passage]) -> Picture | None:
    layers = found[-1].activations if found else []
    if not layers:
        return None
    return Picture(what=message("evidence.dead_units"), values=tuple(layer.dead for layer in layers), names=tuple(_short(layer, k) for k, layer in enumerate(layers)))  # fmt: skip


def _short(layer: Layer, place: int) -> str:
    return layer.name or str(place)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SaturatedUnits(CaseCheck):
    """Find sigmoid or tanh layers that are flat nearly everywhere from the first step on."""

    name: ClassVar[str] = "saturated-units"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        start, end = passages(case, facts, start=True), passages(case, facts, start=False)
        if not start or not _slow(facts):
            return []
        hidden = [[layer for layer in p.activations[: None if _ends_in_weights(p) else -1] if layer.op.name in SATURATING] for p in start]
        if not hidden[0]:
            return []
        flats = [min(row[k].flat for row in hidden if k < len(row)) for k in range(len(hidden[0]))]
        if max(flats) < _FLAT:
            return []
        layer = hidden[0][flats.index(max(flats))]
        evidence = [seen("flat_share", max(flats), f"< {_FLAT}"), seen("loss_end", facts.end)]
        before = [w for w in start[0].weighted if start[0].layers.index(w) < start[0].layers.index(layer)]
        place = (_started(case, start[0], layer) if before and _gain_at_start(case, before[-1]) > 3 else None) or _weights_place(case, before) or place_of(case, layer.op)
        picture = Picture(what=message("evidence.flat_share"), values=tuple(flats), names=tuple(_short(x, k) for k, x in enumerate(hidden[0])))
        return [
            found(self.name, Severity.CRITICAL, 0.9, place=place, evidence=evidence, where={"layer": layer.name},
                  values={"percent": f"{100 * max(flats):.0f}", "layer": layer.name, "function": layer.op.name.rstrip("_")},
                  reckoned=message("causes.from_rows"), picture=picture,
                  explains=("vanishing-gradients", "bad-init-scale", "exploding-gradients", "lr-too-low", "stopped-too-early", "underfitting", "optimizer-settings", "batch-size", "over-regularized"))
        ] if end else []  # fmt: skip


def _ends_in_weights(found: Passage) -> bool:
    return bool(found.layers) and found.layers[-1].weight is not None


def _weights_place(case: Case, layers: Sequence[Layer]) -> Place | None:
    return place_of(case, layers[-1].op) if layers else None


def _gain_at_start(case: Case, layer: Layer) -> float:
    weight = layer.weight
    copy = next((copy for tensor, copy in case.start if tensor is weight), None)
    if copy is None or weight is None:
        return 0.0
    return float(copy.double().pow(2).mean().sqrt()) * math.sqrt(weight[0].numel() if weight.dim() > 1 else 1)


def _started(case: Case, passage: Passage, layer: Layer) -> Place | None:
    """Return the line that set the first weights of a layer or of those before it."""
    owner = layer.op.module
    before = [w.op.module for w in passage.layers[: passage.layers.index(layer) + 1] if w.weight is not None]
    for module in [*before[::-1], owner]:
        for parameter in module.parameters() if isinstance(module, nn.Module) else ():
            told = case.started.get(id(parameter))
            if told is not None and (told[0] != "zeros_" or parameter.dim() > 1):
                return told[1]
    return None


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VanishingGradients(CaseCheck):
    """Find a gradient that fades by a steady factor a layer; where small first weights are why, say that instead."""

    name: ClassVar[str] = "vanishing-gradients"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        start = passages(case, facts, start=True)
        end = passages(case, facts, start=False)
        if not start or not end or not _slow(facts):
            return []
        first, last = _profile(start), _profile(end)
        if len(first) < _FEW or not (0 < first[0] < LOST * first[-1] and last[0] < 100 * LOST * max(last[-1], 1e-300)):
            return []
        weighted = start[0].weighted
        gains = [_gain_at_start(case, layer) for layer in weighted[:-1]]
        picture = Picture(what=message("evidence.gradient_by_layer"), values=tuple(first), names=tuple(_short(x, k) for k, x in enumerate(weighted)), log=True)
        evidence = [seen("first_to_last", first[0] / first[-1], f"> {LOST:g}"), seen("loss_end", facts.end)]
        factor = (first[-1] / first[0]) ** (1 / (len(first) - 1))
        values = {"factor": f"{factor:.2g}", "layers": len(first), "gain": f"{sorted(gains)[len(gains) // 2]:.2g}"}
        small = sum(gain < _SMALL for gain in gains) > len(gains) / 2
        code = "bad-init-scale" if small else self.name
        place = _started(case, start[0], weighted[0]) if small else _activation_place(case, start[0])
        return [
            found(code, Severity.CRITICAL, 0.9, place=place or place_of(case, weighted[0].op), evidence=evidence,
                  values=values, where={"layer": weighted[0].name}, said="init-too-small" if small else "",
                  reckoned=message("causes.from_rows"), picture=picture,
                  explains=("lr-too-low", "underfitting", "saddle-point", "stopped-too-early", "dead-relu", "over-regularized", "optimizer-settings", *(("vanishing-gradients",) if small else ())))
        ]  # fmt: skip


def _profile(found: Sequence[Passage]) -> list[float]:
    """Return the gradient at the values of each layer with weights, the median over looks, in order."""
    depth = min(len(p.weighted) for p in found)
    columns = [sorted(p.weighted[k].gradient for p in found) for k in range(depth)]
    return [column[len(column) // 2] for column in columns]


def _activation_place(case: Case, found: Passage) -> Place | None:
    layer = next((layer for layer in found.activations if layer.op.name in SATURATING), None)
    return place_of(case, layer.op) if layer else None


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExplodingGradients(CaseCheck):
    """Find signals that grow by a steady factor, layer by layer or moment by moment, before any step was taken."""

    name: ClassVar[str] = "exploding-gradients"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        start = passages(case, facts, start=True)
        if not start or not _slow(facts):
            return []
        radius, module = _recurrence(case)
        trivial = facts.fit.trivial if facts.fit else math.nan
        blown = start[0].loss > _BLOWN * trivial if trivial > 0 else False
        if module is not None and radius > 1.2 and blown:
            place = next((case.started[id(p)][1] for n, p in module.named_parameters() if "hh" in n and id(p) in case.started), None)
            evidence = [seen("spectral_radius", radius, "<= 1"), seen("loss_start", start[0].loss, f"about {trivial:.3g}")]
            return [
                found(self.name, Severity.CRITICAL, 0.93, place=place or case.made.get(id(module)), evidence=evidence,
                      said="recurrence-explodes", values={"radius": f"{radius:.2g}"}, where={"layer": case.path(module)}, explains=_EXPLODES)
            ]  # fmt: skip
        return _deep(case, facts, start, blown)


_EXPLODES = ("lr-too-high", "non-finite", "bad-init-scale", "dead-relu", "lr-too-low", "stopped-too-early", "loss-scale",
             "unscaled-targets", "unscaled-inputs", "optimizer-settings", "batch-size", "underfitting", "saturated-units")  # fmt: skip


def _deep(case: Case, facts: Facts, start: Sequence[Passage], blown: bool) -> list[Finding]:
    weighted = start[0].weighted
    spreads = [layer.std for layer in weighted]
    gains = [_gain_at_start(case, layer) for layer in weighted]
    if len(weighted) < 2 or not all(math.isfinite(s) and s > 0 for s in spreads):
        return []
    grows = spreads[-1] > 30 * max(start[0].input_std, 1e-12) and sum(gain > _LARGE for gain in gains) >= max(1, len(gains) / 2)
    if not grows or not (blown or spreads[-1] > 100):
        return []
    values = {"gain": f"{sorted(gains)[len(gains) // 2]:.2g}", "spread": f"{spreads[-1]:.3g}"}
    evidence = [seen("output_spread", spreads[-1], "about 1"), seen("loss_start", start[0].loss)]
    picture = Picture(what=message("evidence.spread_by_layer"), values=tuple(spreads), names=tuple(_short(x, k) for k, x in enumerate(weighted)), log=True)
    return [
        found("bad-init-scale", Severity.CRITICAL, 0.9, place=_started(case, start[0], weighted[0]) or place_of(case, weighted[0].op),
              said="init-too-large", evidence=evidence, values=values, picture=picture, where={"layer": weighted[0].name},
              reckoned=message("causes.from_rows"), explains=_EXPLODES)
    ]  # fmt: skip


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
