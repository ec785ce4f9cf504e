"""A look into the layers: what goes forward and what comes back, for one batch, without a trace left in the
module.

The pass runs on copies of weights and buffers, with hooks that are taken away afterwards and with every
generator put back. Gradients are taken where a layer's output is made, so that a later in-place activation
does not disturb them.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from thalweg.core.random import undisturbed
from thalweg.init.listening import Call, listening

LossFunction = Callable[[Tensor, Tensor], Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LayerRow:
    """Hold what one call of one layer did; NaN where there is nothing to measure."""

    name: str
    """Its path in the module; a second call of the same layer is called "path#2" and has no parameters."""
    kind: str
    output_shape: tuple[int, ...]
    num_parameters: int
    act_mean: float
    act_std: float
    zeros: float
    """Share of outputs that are exactly 0."""
    dead: float
    """Share of units (features or channels) that are 0 for the whole batch."""
    saturated: float
    """Share of outputs within 1% of either end of a bounded activation's range."""
    grad_mean: float
    """Of the loss with respect to the output, as are the next two."""
    grad_std: float
    grad_norm: float
    weight_norm: float
    """Over all parameters of the layer, as is the next."""
    weight_grad_norm: float


def layer_table(
    module: nn.Module, x: Tensor, *, targets: Tensor | None = None, loss_fn: LossFunction | None = None
) -> list[LayerRow]:
    """Return a row for each call of a layer, in order, from one pass in the module's present mode.

    `loss_fn(outputs, targets)` gives a scalar; without it there is no backward pass and gradients are NaN.
    The module, its gradients and all random generators are left as they were.
    """
    params, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    calls, grads = run(module, params, buffers, x=x, y=targets, loss=loss_fn)
    return [_row(call, module, grads) for call in calls]


def activation_signals(
    module: nn.Module,
    params: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
    x: Tensor,
    y: Tensor,
    loss: LossFunction,
) -> dict[str, dict[str, float]]:
    """Return layer -> signal -> value for a batch: act_mean, act_std, dead, saturated, grad_norm.

    The module gives the structure and the mode; parameters and buffers come from outside and are not changed.
    """
    calls, _ = run(module, params, buffers, x=x, y=y, loss=loss)
    signals = {}
    for call, values in zip(calls, numbers(calls), strict=True):
        mean, std, _, dead, saturated, _, _, norm = values
        signals[call.name] = {
            "act_mean": mean, "act_std": std, "dead": dead, "saturated": saturated, "grad_norm": norm,
        }  # fmt: skip
    return signals


def numbers(calls: list[Call]) -> list[list[float]]:
    """Return for each call act_mean, act_std, zeros, dead, saturated, grad_mean, grad_std, grad_norm, in one transfer.

    Gradients are NaN where none came back.
    """
    if not calls:
        return []
    nothing = torch.full((3,), math.nan, device=calls[0].seen.device)
    rows = [torch.cat([call.seen, nothing if call.back is None else call.back]) for call in calls]
    table: list[list[float]] = torch.stack(rows).tolist()
    return table


def run(
    module: nn.Module,
    params: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
    *,
    x: Tensor,
    y: Tensor | None,
    loss: LossFunction | None,
    functions: bool = False,
) -> tuple[list[Call], dict[str, Tensor]]:
    """Run forward and backward on copies; return the calls and the gradients of the parameters."""
    weights = {name: _leaf(param) for name, param in params.items()}
    state = weights | {name: buffer.detach().clone() for name, buffer in buffers.items()}
    with undisturbed(), torch.enable_grad():
        with listening(module, x, functions=functions) as calls:
            outputs = torch.func.functional_call(module, state, (x,))
        if loss is None:
            return calls, {}
        value = loss(outputs, y)  # type: ignore[arg-type]  # a loss without targets is the caller's affair
        learnt = {name: weight for name, weight in weights.items() if weight.requires_grad}
        if not value.requires_grad:
            return calls, {}
        found = torch.autograd.grad(value, list(learnt.values()), allow_unused=True)
    return calls, {name: grad for name, grad in zip(learnt, found, strict=True) if grad is not None}


def _leaf(param: Tensor) -> Tensor:
    copy = param.detach().clone()
    return copy.requires_grad_() if copy.is_floating_point() else copy


def _row(call: Call, module: nn.Module, grads: Mapping[str, Tensor]) -> LayerRow:
    params = _own_parameters(call.layer, module) if call.first else {}
    found = [grads[name] for name in params if name in grads]
    mean, std, zeros, dead, saturated = call.seen.tolist()
    grad_mean, grad_std, grad_norm = [math.nan] * 3 if call.back is None else call.back.tolist()
    return LayerRow(
        name=call.name,
        kind=type(call.layer).__name__,
        output_shape=call.shape,
        num_parameters=sum(param.numel() for param in params.values()),
        act_mean=mean,
        act_std=std,
        zeros=zeros,
        dead=dead,
        saturated=saturated,
        grad_mean=grad_mean,
        grad_std=grad_std,
        grad_norm=grad_norm,
        weight_norm=_norm(list(params.values())),
        weight_grad_norm=_norm(found),
    )


def _own_parameters(layer: nn.Module, module: nn.Module) -> dict[str, Tensor]:
    """Return a layer's parameters under their names in the whole module."""
    names = {id(param): name for name, param in module.named_parameters()}
    below = [name for name, _ in layer.named_children() if name != "parametrizations"]
    return {names[id(param)]: param.detach() for param in layer.parameters(recurse=not below)}


def _norm(tensors: list[Tensor]) -> float:
    if not tensors:
        return math.nan
    return float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(t.float()) for t in tensors])))
