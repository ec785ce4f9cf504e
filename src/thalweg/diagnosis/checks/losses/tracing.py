"""What made a prediction: the last operation that changed its values, behind those that only reshape it."""

from collections.abc import Iterator

import torch
from torch import Tensor

from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.facts import kept as kept
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.watching import Look, Op

PASSING = frozenset(
    "view reshape squeeze unsqueeze flatten __getitem__ float double half to contiguous transpose permute T mT t "
    "type view_as reshape_as select narrow movedim swapaxes clone identity squeeze_ unsqueeze_ cat stack".split()
)
SQUASHES = {  # function: the interval in which its values lie
    "sigmoid": (0.0, 1.0), "sigmoid_": (0.0, 1.0), "softmax": (0.0, 1.0), "tanh": (-1.0, 1.0), "tanh_": (-1.0, 1.0),
    "relu": (0.0, float("inf")), "relu_": (0.0, float("inf")), "softplus": (0.0, float("inf")),
    "hardtanh": (-1.0, 1.0), "hardsigmoid": (0.0, 1.0), "relu6": (0.0, 6.0), "exp": (0.0, float("inf")),
    "log_softmax": (float("-inf"), 0.0), "logsigmoid": (float("-inf"), 0.0), "softsign": (-1.0, 1.0),
}  # fmt: skip


def origin(look: Look, number: int) -> Op | None:
    """Return the function that made the values of a prediction; None where they came from outside."""
    for _ in range(40):
        op = look.source(number)
        if op is None or op.name not in PASSING or not op.inputs:
            return op
        number = op.inputs[0]
    return None


def meets_of(facts: Facts, *kinds: str) -> Iterator[tuple[Look, Meeting]]:
    """Return the first meeting of each look that has one of these kinds."""
    return ((look, met) for look, met in facts.meets if met.kind in kinds)


def are_probabilities(rows: Tensor, dim: int = 1) -> bool:
    """Return whether values are probabilities that sum to one over a dimension."""
    if rows.dim() <= dim or rows.shape[dim] < 2 or not rows.is_floating_point():
        return False
    sums = rows.sum(dim)
    return bool((rows >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4))
