"""Units that pass nothing on: rectifiers that are never awake, sigmoids and tanhs that are flat."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, final

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, place_of, seen
from thalweg.diagnosis.checks.signals.layers import SATURATING, Layer, Passage, passages
from thalweg.diagnosis.checks.signals.starts import called, gain, is_slow, labels, started
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Picture, Severity

_DEAD = 0.9  # of a layer's units that no row wakes
_FLAT = 0.6  # of a layer's entries where its activation is flat
_WIDE = 3.0  # gain of first weights that saturates what follows
_DEAD_EXPLAINS = (
    "vanishing-gradients",
    "bad-init-scale",
    "saddle-point",
    "lr-too-low",
    "underfitting",
    "stopped-too-early",
    "detached-graph",
    "class-imbalance",
    "optimizer-settings",
)
_FLAT_EXPLAINS = (
    "vanishing-gradients",
    "bad-init-scale",
    "exploding-gradients",
    "lr-too-low",
    "stopped-too-early",
    "underfitting",
    "optimizer-settings",
    "batch-size",
    "over-regularized",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DeadRelu(CaseCheck):
    """Find rectifiers of which nearly every unit is zero for every row, before the first step or for good.

    Units that die later on are a consequence of something else, and only noted.
    """

    name: ClassVar[str] = "dead-relu"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if not is_slow(facts):
            return []
        start, end = passages(case, facts, start=True), passages(case, facts, start=False)
        born, later = _deadest(start), _deadest(end)
        if later is None or later[1] < _DEAD:
            return []
        layer, share = later
        place = place_of(case, layer.op)
        from_start = born is not None and born[1] >= _DEAD
        if from_start and born is not None:
            layer, share = born
            place = started(case, start[-1], layer) or place_of(case, layer.op)
        return [
            found(
                self.name,
                Severity.CRITICAL if from_start else Severity.NOTE,
                0.95 if from_start else 0.6,
                place=place,
                said="dead-from-start" if from_start else "",
                evidence=[seen("dead_units", share, f"< {_DEAD}"), seen("loss_end", facts.end)],
                values={"percent": f"{100 * share:.0f}", "layer": called(layer)},
                where={"layer": layer.name},
                reckoned=message("causes.from_rows"),
                picture=_dead_picture(end),
                explains=_DEAD_EXPLAINS if from_start else (),
            )
        ]


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
    dead = tuple(layer.dead for layer in layers)
    return Picture(what=message("evidence.dead_units"), values=dead, names=labels(layers))


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SaturatedUnits(CaseCheck):
    """Find sigmoid or tanh layers that are flat nearly everywhere from the first step on."""

    name: ClassVar[str] = "saturated-units"
    rank: ClassVar = "signal"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        start, end = passages(case, facts, start=True), passages(case, facts, start=False)
        if not start or not end or not is_slow(facts):
            return []
        hidden = [_hidden(passage) for passage in start]
        flats = [min(row[k].flat for row in hidden if k < len(row)) for k in range(len(hidden[0]))]
        share = max(flats, default=0.0)
        if share < _FLAT:
            return []
        layer = hidden[0][flats.index(share)]
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.9,
                place=_place(case, start[0], layer),
                evidence=[seen("flat_share", share, f"< {_FLAT}"), seen("loss_end", facts.end)],
                where={"layer": layer.name},
                values={
                    "percent": f"{100 * share:.0f}",
                    "layer": called(layer),
                    "function": layer.op.name.rstrip("_"),
                },
                reckoned=message("causes.from_rows"),
                picture=Picture(what=message("evidence.flat_share"), values=tuple(flats), names=labels(hidden[0])),
                explains=_FLAT_EXPLAINS,
            )
        ]


def _hidden(passage: Passage) -> list[Layer]:
    """Return the layers that may saturate; an activation at the very end is the answer's own."""
    ends_in_weights = bool(passage.layers) and passage.layers[-1].weight is not None
    activations = passage.activations if ends_in_weights else passage.activations[:-1]
    return [layer for layer in activations if layer.op.name in SATURATING]


def _place(case: Case, passage: Passage, layer: Layer) -> Place | None:
    """Return the line that set weights too wide, else the layer before, else the activation itself."""
    upto = passage.layers[: passage.layers.index(layer)]
    before = [weighted for weighted in upto if weighted.weight is not None]
    if before and gain(case, before[-1]) > _WIDE:
        told = started(case, passage, layer)
        if told is not None:
            return told
    return (place_of(case, before[-1].op) if before else None) or place_of(case, layer.op)
