"""Least, greatest and either of two numbers, be they Python's, as in a single run, or tensors of shape ()."""

from typing import TypeAlias

import torch
from torch import Tensor

from thalweg.core.types import Params
from thalweg.rules.base import Count

Number: TypeAlias = float | Tensor


def least(left: Number, right: Number) -> Number:
    """Return the smaller one; NaN where one of them is a tensor that holds NaN."""
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return torch.minimum(*_alike(left, right))
    return min(left, right)


def greatest(left: Number, right: Number) -> Number:
    """Return the larger one; NaN where one of them is a tensor that holds NaN."""
    if isinstance(left, Tensor) or isinstance(right, Tensor):
        return torch.maximum(*_alike(left, right))
    return max(left, right)


def either(condition: bool | Tensor, yes: Number, no: Number) -> Number:
    """Return `yes` where the condition holds, else `no`."""
    if not isinstance(condition, Tensor):
        return yes if condition else no
    if not isinstance(yes, Tensor) and not isinstance(no, Tensor):  # where would take two numbers for float32
        yes = torch.tensor(yes, dtype=torch.float64, device=condition.device)
    return torch.where(condition, *_alike(yes, no))


def counted(step: Count) -> Number:
    """Return the number of the step now taken, 1 at the first, fit for powers."""
    return (step + 1).double() if isinstance(step, Tensor) else float(step + 1)


def number(value: Number, like: Params) -> Tensor:
    """Return a number of the whole as a slot keeps it: shape (), in the precision and place of the parameters."""
    first = next(iter(like.values()))
    return torch.as_tensor(value, dtype=first.dtype, device=first.device)


def _alike(left: Number, right: Number) -> tuple[Tensor, Tensor]:
    """Return both as tensors of one precision: that of the left one, if it is a tensor."""
    if isinstance(left, Tensor):
        return left, torch.as_tensor(right, dtype=left.dtype, device=left.device)
    assert isinstance(right, Tensor)
    return torch.as_tensor(left, dtype=right.dtype, device=right.device), right
