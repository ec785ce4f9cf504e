"""What each parameter is, and what is done to it: its role, its share of the rate and of the decay.

A role is found from the network (`model/roles.py`); where there is no network, as on a surface, from the shape.
"""

import dataclasses
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor

from thalweg.core.types import Params

Role = Literal["matrix", "embedding", "head", "norm", "bias", "vector"]
ROLES: Final[tuple[Role, ...]] = ("matrix", "embedding", "head", "norm", "bias", "vector")
WEIGHTS: Final[tuple[Role, ...]] = ("matrix", "embedding", "head")
"""Roles that decay and penalties are for; biases, norms and single vectors are left out (Krogh and Hertz 1991 on)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Say what a parameter is, and by how much its rate and its decay are multiplied: numbers, or a tensor where many
    parameters lie flat in one.
    """

    role: Role
    lr: float | Tensor = 1.0
    weight_decay: float | Tensor = 1.0
    parts: tuple[tuple[Role, int], ...] = ()
    """Of parameters that lie flat in one: the role of each and how many numbers it has."""
    device: torch.device | None = None


Layout: TypeAlias = Mapping[str, Place]
"""A place for each parameter by name."""


def layout_by_shape(params: Params) -> dict[str, Place]:
    """Return a layout that knows nothing but shapes: two axes or more make a matrix, else a vector."""
    return {name: Place("matrix" if tensor.ndim >= 2 else "vector") for name, tensor in params.items()}


def layout_flat(layout: Layout, params: Params, name: str = "flat") -> dict[str, Place]:
    """Return the layout of the same parameters laid end to end in one tensor called `name`."""
    shares: dict[str, float | Tensor] = {}
    like = next(iter(params.values()))
    for field in ("lr", "weight_decay"):
        each = [getattr(layout[key], field) for key in params]
        same = all(share == each[0] for share in each)
        parts = [torch.full((tensor.numel(),), share) for share, tensor in zip(each, params.values(), strict=True)]
        shares[field] = each[0] if same else torch.cat(parts).to(like)
    roles = tuple((layout[key].role, tensor.numel()) for key, tensor in params.items())
    return {name: Place("vector", parts=roles, device=like.device, **shares)}


def shares_of(layout: Layout, field: str) -> Mapping[str, float | Tensor]:
    """Return each parameter's share of the rate or the decay by name, without those that are 1."""
    found = {name: getattr(place, field) for name, place in layout.items()}
    return {name: share for name, share in found.items() if isinstance(share, Tensor) or share != 1.0}
