"""A hidden stage: a layer with weights, its normalisation and its activation, in the order asked for."""

from typing import Literal

from torch import nn

from thalweg.model.activations import make_activation, pieces

Norm = Literal["none", "batch", "layer"]
NormPlace = Literal["before", "after"]


def needs_bias(norm: Norm, place: NormPlace) -> bool:
    """Tell whether a layer's bias does anything; a batch norm right after the layer takes it away."""
    return not (norm == "batch" and place == "before")


def finish_stage(
    layer: nn.Linear | nn.Conv2d, activation: str, *, norm: Norm, place: NormPlace
) -> list[tuple[str, nn.Module]]:
    """List what follows a layer, each with its short name: the norm before or after the activation."""
    width = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    if place == "after":
        width //= pieces(activation)
    between: list[tuple[str, nn.Module]] = [("act", make_activation(activation))]
    if norm != "none":
        made = ("norm", make_norm(norm, width, images=isinstance(layer, nn.Conv2d)))
        between.insert(0 if place == "before" else 1, made)
    return between


def make_norm(norm: Norm, width: int, *, images: bool) -> nn.Module:
    """Make the normalisation of `width` features; layer norm of images is over channels and places."""
    if norm == "batch":
        return nn.BatchNorm2d(width) if images else nn.BatchNorm1d(width)
    return nn.GroupNorm(1, width) if images else nn.LayerNorm(width)
