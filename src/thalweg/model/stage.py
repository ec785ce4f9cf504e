"""A hidden stage: a layer with weights, its normalisation and its activation, in the order asked for."""

from typing import Literal

from torch import nn

from thalweg.core.errors import law
from thalweg.model.activations import make_activation, pieces
from thalweg.norms.base import FeatureNorm, Norm, WeightParametrisation

NormPlace = Literal["before", "after"]
NormName = Norm | str | None
"""What short forms take: a norm, its name, or "none"."""


def needs_bias(norm: Norm | None, place: NormPlace) -> bool:
    """Tell whether a layer's bias does anything; a norm right after the layer may take it away."""
    return not (isinstance(norm, FeatureNorm) and norm.takes_bias and place == "before")


def finish_stage(
    layer: nn.Linear | nn.Conv2d, activation: str, *, norm: Norm | None, place: NormPlace
) -> list[tuple[str, nn.Module]]:
    """List what follows a layer, each with its short name: the norm before or after the activation."""
    normalise_weights(layer, norm)
    between: list[tuple[str, nn.Module]] = [("act", make_activation(activation))]
    if isinstance(norm, FeatureNorm):
        width = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
        if place == "after":
            width //= pieces(activation)
        made = ("norm", norm.build(width, 0 if isinstance(layer, nn.Linear) else 2))
        between.insert(0 if place == "before" else 1, made)
    return between


def normalise_weights(layer: nn.Linear | nn.Conv2d, norm: Norm | None) -> None:
    """Change a layer whose weights were started, if the norm is one of weights."""
    if isinstance(norm, WeightParametrisation):
        norm.wrap(layer)


def check_position_norm(call: str, norm: Norm | None) -> None:
    """Raise `UsageError` for a norm that cannot read sequences (B, L, W) position by position."""
    if norm is not None and not (isinstance(norm, FeatureNorm) and norm.reads_positions):
        able = [name for name, member in Norm.catalogue().items() if getattr(member, "reads_positions", False)]
        raise law(f"{call}(norm=...)", "must read each position by itself", norm.name, f"Use {' or '.join(able)}.")
