"""What the first weights of a layer were, and the line that set them."""

import math
from collections.abc import Sequence

from torch import nn

from thalweg.diagnosis.checks.signals.layers import Layer, Passage
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place

_LEFT = 0.3  # of the trivial loss: what a network leaves that has learnt little


def is_slow(facts: Facts) -> bool:
    """Return whether a network that should have learnt did not: the gate for all that is not an exact fault."""
    if facts.fit is not None:
        return facts.fit.share > _LEFT
    return facts.learnt is False or (facts.end > 0.7 * facts.start if facts.start > 0 else False)


def gain(case: Case, layer: Layer) -> float:
    """Return the gain of a layer's first weights, rms w * sqrt(fan_in); 0 where they are not known."""
    weight = layer.weight
    copy = next((copy for tensor, copy in case.start if tensor is weight), None)
    if copy is None or weight is None:
        return 0.0
    fan_in = weight[0].numel() if weight.dim() > 1 else 1
    return float(copy.double().pow(2).mean().sqrt()) * math.sqrt(fan_in)


def started(case: Case, passage: Passage, layer: Layer) -> Place | None:
    """Return the line that set the first weights of a layer of this passage or of those before it."""
    upto = passage.layers[: passage.layers.index(layer) + 1]
    before = [weighted.op.module for weighted in upto if weighted.weight is not None]
    for module in [*before[::-1], layer.op.module]:
        for parameter in module.parameters() if isinstance(module, nn.Module) else ():
            told = case.started.get(id(parameter))
            if told is not None and (told[0] != "zeros_" or parameter.dim() > 1):
                return told[1]
    return None


def called(layer: Layer) -> str:
    """Return the name of a layer, its operation's where it is in no module."""
    return layer.name or layer.op.name.strip("_")


def labels(layers: Sequence[Layer]) -> tuple[str, ...]:
    """Return what stands under each layer in a picture."""
    return tuple(layer.name or str(place) for place, layer in enumerate(layers))
