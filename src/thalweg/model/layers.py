"""A look into the layers: what goes forward and what comes back, for one batch, without a trace left in the
module.

The pass runs on copies of weights and buffers, with hooks that are taken away afterwards and with every
generator put back. Gradients are taken where a layer's output is made, so that a later in-place activation
does not disturb them.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from thalweg.core.random import undisturbed
from thalweg.model.recurrent import RecurrentLayer, RNNLayer

LossFunction = Callable[[Tensor, Tensor], Tensor]
_SATURATED = 0.99  # of the range to either side
_RANGES: dict[type[nn.Module], tuple[float, float]] = {
    nn.Sigmoid: (0.0, 1.0),
    nn.Hardsigmoid: (0.0, 1.0),
    nn.Tanh: (-1.0, 1.0),
    nn.Hardtanh: (-1.0, 1.0),
    nn.Softsign: (-1.0, 1.0),
    RNNLayer: (-1.0, 1.0),
}
_UNITS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)
_UNITS_LAST = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.RNNBase, RecurrentLayer)


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


@dataclasses.dataclass(slots=True, eq=False)
class _Call:
    """One call; `seen`: act_mean, act_std, zeros, dead, saturated; `back`: grad_mean, grad_std, grad_norm."""

    name: str
    layer: nn.Module
    shape: tuple[int, ...]
    first: bool
    seen: Tensor
    back: Tensor | None = None

    def take_gradient(self, grad: Tensor) -> None:
        flat = grad.detach().float().flatten()
        self.back = torch.stack([flat.mean(), flat.std(correction=0), torch.linalg.vector_norm(flat)])


def layer_table(
    module: nn.Module, x: Tensor, *, targets: Tensor | None = None, loss_fn: LossFunction | None = None
) -> list[LayerRow]:
    """Return a row for each call of a layer, in order, from one pass in the module's present mode.

    `loss_fn(outputs, targets)` gives a scalar; without it there is no backward pass and gradients are NaN.
    The module, its gradients and all random generators are left as they were.
    """
    params, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    calls, grads = _run(module, params, buffers, x=x, y=targets, loss=loss_fn)
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
    calls, _ = _run(module, params, buffers, x=x, y=y, loss=loss)
    nothing = torch.full((3,), math.nan, device=x.device)
    numbers = [torch.cat([call.seen, nothing if call.back is None else call.back]) for call in calls]
    table = torch.stack(numbers).tolist() if numbers else []
    signals = {}
    for call, (mean, std, _, dead, saturated, _, _, norm) in zip(calls, table, strict=True):
        values = {"act_mean": mean, "act_std": std, "dead": dead, "saturated": saturated, "grad_norm": norm}
        signals[call.name] = values
    return signals


def _run(
    module: nn.Module,
    params: Mapping[str, Tensor],
    buffers: Mapping[str, Tensor],
    *,
    x: Tensor,
    y: Tensor | None,
    loss: LossFunction | None,
) -> tuple[list[_Call], dict[str, Tensor]]:
    """Run forward and backward on copies; return the calls and the gradients of the parameters."""
    weights = {name: _leaf(param) for name, param in params.items()}
    state = weights | {name: buffer.detach().clone() for name, buffer in buffers.items()}
    with undisturbed(), _listening(module, x) as calls, torch.enable_grad():
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


@contextlib.contextmanager
def _listening(module: nn.Module, x: Tensor) -> Iterator[list[_Call]]:
    """Note every call of a layer while the block runs."""
    calls: list[_Call] = []
    axis = [1 if x.ndim == 4 else -1]
    handles = [
        layer.register_forward_hook(_hook(name, calls, axis))
        for name, layer in module.named_modules()
        if _is_layer(layer) and "parametrizations" not in name
    ]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _is_layer(module: nn.Module) -> bool:
    """Tell layers from containers: nothing below it, or parameters of its own."""
    below = [name for name, _ in module.named_children() if name != "parametrizations"]
    return not below or any(True for _ in module.parameters(recurse=False))


def _hook(name: str, calls: list[_Call], axis: list[int]) -> Callable[[nn.Module, object, object], None]:
    def listen(layer: nn.Module, args: object, output: object) -> None:
        tensor = _first_tensor(output)
        if isinstance(layer, _UNITS_FIRST):
            axis[0] = 1
        elif isinstance(layer, _UNITS_LAST):
            axis[0] = -1
        if tensor is None or not tensor.is_floating_point():
            return
        times = 1 + sum(call.layer is layer for call in calls)
        called = (name or type(layer).__name__) + (f"#{times}" if times > 1 else "")
        seen = _activation(tensor.detach(), layer, axis[0])
        calls.append(_Call(called, layer, tuple(tensor.shape), times == 1, seen))
        if tensor.requires_grad:
            tensor.register_hook(calls[-1].take_gradient)

    return listen


def _first_tensor(output: object) -> Tensor | None:
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _activation(output: Tensor, layer: nn.Module, axis: int) -> Tensor:
    values = output.float()
    zero = values == 0
    units = zero.movedim(axis, 0).flatten(1).all(1) if zero.ndim > 1 else zero.all()
    numbers = [values.mean(), values.std(correction=0), zero.float().mean(), units.float().mean()]
    return torch.stack([*numbers, _saturation(values, layer)])


def _saturation(values: Tensor, layer: nn.Module) -> Tensor:
    limits = next((limits for kind, limits in _RANGES.items() if isinstance(layer, kind)), None)
    if limits is None:
        return values.new_tensor(math.nan)
    low, high = limits
    return ((2 * values - low - high).abs() > _SATURATED * (high - low)).float().mean()


def _row(call: _Call, module: nn.Module, grads: Mapping[str, Tensor]) -> LayerRow:
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
