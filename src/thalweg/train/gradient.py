"""The loss and its gradient on a batch, once for every way of taking a step."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from thalweg.core import UsageError
from thalweg.model import Loss


def gradient(
    forward: nn.Module,
    loss: Loss,
    weights: Sequence[Tensor],
    batch: tuple[Tensor, Tensor],
    *,
    windows: int,
    bf16: bool,
) -> tuple[Tensor, list[Tensor]]:
    """Return the mean loss over the batch, shape (), and its gradient for each weight.

    The batch is taken in `windows` parts of about equal size, one after the other, so that memory holds one part only.
    Each part counts by its number of examples: the result is that of the whole batch, also when it does not divide.
    A weight that the loss does not depend on has gradient zero.
    """
    x, y = batch
    parts = [(x, y)] if windows == 1 else list(zip(x.tensor_split(windows), y.tensor_split(windows), strict=True))
    total: Tensor | None = None
    grads: list[Tensor] = []
    for part_x, part_y in parts:
        if len(part_x) == 0:
            continue
        with torch.autocast(x.device.type, torch.bfloat16, enabled=bf16):
            outputs = forward(part_x)
        value = loss.total(outputs.float() if bf16 else outputs, part_y)
        if len(parts) > 1:
            value = value * (len(part_x) / len(x))
        if not value.requires_grad:
            raise UsageError("The loss does not depend on any weight that trains; does the model detach its outputs?")
        found = torch.autograd.grad(value, weights, allow_unused=True)
        part = [torch.zeros_like(w) if g is None else g for g, w in zip(found, weights, strict=True)]
        grads = part if total is None else [a + b for a, b in zip(grads, part, strict=True)]
        total = value.detach() if total is None else total + value.detach()
    assert total is not None
    return total, grads
