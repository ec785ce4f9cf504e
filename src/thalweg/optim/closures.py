"""Steps that need more than one gradient: SAM's second one, Newton's Hessian. Both ask a closure."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from thalweg.core import UsageError, law
from thalweg.optim.groups import Group, each
from thalweg.rules import Rule, State

Closure = Callable[[], Any]


def at_the_second_point(
    rule: Rule,
    params: Sequence[Tensor],
    closure: Closure | None,
    offset: Callable[[], list[Tensor | None]],
    module: nn.Module | None,
) -> Any:
    """Call the closure here and at the offset, leave the second gradient in `grad` and return the loss here.

    Dropout draws the same numbers both times. Buffers of `module`, batch norm's averages say, see the first call only.
    """
    if closure is None:
        cure = "Write step(closure), which clears gradients, goes backward and returns the loss."
        raise law(f"step() of {rule.name}", "needs a closure, for it takes two gradients", None, cure)
    buffers = [] if module is None else list(module.buffers())
    before = [buffer.clone() for buffer in buffers]
    devices = sorted({param.device.index or 0 for param in params if param.device.type == "cuda"})
    with torch.random.fork_rng(devices), torch.enable_grad():
        loss = closure()
    after = [buffer.clone() for buffer in buffers]
    with torch.no_grad():
        here = [param.clone() for param in params]
        for param, way in zip(params, offset(), strict=True):
            if way is not None:
                param.add_(way)
        _fill(buffers, before)
    for param in params:
        param.grad = None
    try:
        with torch.enable_grad():
            closure()
    finally:
        with torch.no_grad():
            _fill(params, here)
            _fill(buffers, after)
    return loss


def _fill(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


def with_hessian(rule: Rule, groups: Sequence[Group], closure: Closure | None) -> tuple[Any, State]:
    """Put the gradient into `grad`; return the loss and the Hessian (N, N) of all parameters that train, end to end."""
    cure = "Write step(closure) with a closure that returns the loss and does not go backward."
    if closure is None:
        raise law(f"step() of {rule.name}", "needs a closure, for it derives the loss twice", None, cure)
    if len({bool(group["maximize"]) for group in groups}) > 1:
        raise law(f"step() of {rule.name}", "needs all groups to climb or all to descend", "both", "Set maximize once.")
    params = [param for param in each(groups) if param.requires_grad]
    with torch.enable_grad():
        loss = closure()
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise law(f"step() of {rule.name}", "needs the loss as a tensor with its graph", loss, cure)
        try:
            found = torch.autograd.grad(loss, params, create_graph=True, allow_unused=True, materialize_grads=True)
        except RuntimeError as error:
            if "second time" not in str(error):
                raise
            raise UsageError(
                f"`step() of {rule.name}` derives the loss itself, got one already derived. {cure}"
            ) from None
        flat = torch.cat([grad.reshape(-1) for grad in found])
        rows = [_row(number, params) for number in flat]
    for param, grad in zip(params, found, strict=True):
        param.grad = grad.detach().clone()
    h = torch.stack(rows)
    return loss.detach(), {"hessian": {"all": -h if groups[0]["maximize"] else h}}


def _row(number: Tensor, params: Sequence[Tensor]) -> Tensor:
    """Return the derivative of one number of the gradient by all parameters; zero where it is constant."""
    if not number.requires_grad:
        return torch.cat([torch.zeros_like(param).reshape(-1) for param in params])
    parts = torch.autograd.grad(number, params, retain_graph=True, allow_unused=True, materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts]).detach()
