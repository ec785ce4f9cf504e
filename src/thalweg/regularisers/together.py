"""Several regularisers at once: over named parameters, over a batch, and which do not go together."""

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from thalweg.core import law
from thalweg.core.random import generator
from thalweg.core.types import Params
from thalweg.regularisers.base import Augmentation, Constraint, Number, Penalty

Strengths = Mapping[str, Number]
"""Strengths by the penalties' names, in place of their own: a population's, one scalar a member."""
Shares = Mapping[str, Number]
"""How much of each strength a parameter gets, by its name: 0 leaves it out; a flat buffer has a tensor like itself."""


def check_together(penalties: Iterable[Penalty], *, weight_decay: float = 0.0) -> None:
    """Raise `UsageError` where two penalties, or one and a rule's weight decay, pull the same weights the same way."""
    seen: dict[str, str] = {}
    for penalty in penalties:
        for measure in penalty.measures:
            if measure in seen:
                cure = "Keep one of them, with the sum of their strengths."
                raise law("penalties=...", "must not pull the same way twice", [seen[measure], penalty.name], cure)
            seen[measure] = penalty.name
    if weight_decay and "square" in seen:
        cure = f"Set the rule's weight_decay to 0, or leave {seen['square']!r} out."
        raise law("penalties=...", f"must leave squares to weight_decay={weight_decay:g}", [seen["square"]], cure)


def penalty_value(
    penalties: Iterable[Penalty],
    params: Params,
    *,
    num_examples: int,
    strengths: Strengths | None = None,
    shares: Shares | None = None,
) -> Tensor:
    """Sum what all penalties add to the mean loss, however they are stepped: shape ()."""
    total = next(iter(params.values())).new_zeros(())
    for penalty in penalties:
        for name, strength in _strengths(penalty, params, strengths, shares):
            total = total + penalty.value(params[name], num_examples=num_examples, strength=strength)
    return total


def add_gradients(
    penalties: Iterable[Penalty],
    grads: Params,
    params: Params,
    *,
    num_examples: int,
    strengths: Strengths | None = None,
    shares: Shares | None = None,
) -> Params:
    """Return the gradients with those of the penalties of step="gradient" added."""
    grads = dict(grads)
    for penalty in penalties:
        if penalty.step == "gradient":
            for name, strength in _strengths(penalty, params, strengths, shares):
                pulled = penalty.gradient(params[name], num_examples=num_examples, strength=strength)
                grads[name] = grads[name] + pulled
    return grads


def apply_prox(
    penalties: Iterable[Penalty],
    params: Params,
    *,
    length: Number,
    num_examples: int,
    strengths: Strengths | None = None,
    shares: Shares | None = None,
) -> Params:
    """Return the parameters, just stepped by a rule at the rate `length`, after the penalties of step="proximal"."""
    params = dict(params)
    for penalty in penalties:
        if penalty.step == "proximal":
            for name, strength in _strengths(penalty, params, strengths, shares):
                params[name] = penalty.prox(params[name], length=length, num_examples=num_examples, strength=strength)
    return params


def project_all(constraints: Iterable[Constraint], params: Params, *, names: Iterable[str]) -> Params:
    """Return the parameters with those of these names brought back into every constraint, in order."""
    params, names = dict(params), tuple(names)
    for constraint in constraints:
        params |= {name: constraint.project(params[name]) for name in names}
    return params


def apply_all(
    augmentations: Sequence[Augmentation], x: Tensor, y: Tensor, *, seed: int, step: int, num_classes: int | None = None
) -> tuple[Tensor, Tensor]:
    """Change a batch by each augmentation in order; each has a stream of its own, by its name.

    Adding or removing one does not change what the others draw.

    >>> import torch
    >>> from thalweg.regularisers import InputNoise
    >>> x, y = apply_all([InputNoise(std=0.1)], torch.zeros(2, 3), torch.tensor([0, 1]), seed=0, step=0)
    >>> x.shape, y
    (torch.Size([2, 3]), tensor([0, 1]))
    """
    met: dict[str, int] = {}
    for augmentation in augmentations:
        turn = met[augmentation.name] = met.get(augmentation.name, -1) + 1
        draw = generator(seed, f"augment.{augmentation.name}", step, turn)
        x, y = augmentation.apply(x, y, draw, num_classes=num_classes)
    return x, y


def _strengths(
    penalty: Penalty, params: Params, strengths: Strengths | None, shares: Shares | None
) -> list[tuple[str, Number]]:
    """List the parameters that a penalty touches, with its strength on each."""
    strength = penalty.strength if strengths is None else strengths.get(penalty.name, penalty.strength)
    touched = []
    for name in params:
        share = 1.0 if shares is None else shares.get(name, 0.0)
        if isinstance(share, Tensor) or share:
            touched.append((name, strength if not isinstance(share, Tensor) and share == 1 else strength * share))
    return touched
