"""Hearing every call of a layer in a forward pass and, where asked for, every activation called as a function."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from thalweg.init.nonlinear import RANGES, Nonlinearity, nonlinearity_called, nonlinearity_of

_SATURATED = 0.99  # of the range to either side
_UNITS_FIRST = (nn.modules.conv._ConvNd, nn.modules.batchnorm._NormBase, nn.GroupNorm)
_UNITS_LAST = (nn.Linear, nn.Embedding, nn.LayerNorm, nn.RNNBase)


@dataclasses.dataclass(slots=True, eq=False)
class Call:
    """One call; `seen`: act_mean, act_std, zeros, dead, saturated; `back`: grad_mean, grad_std, grad_norm."""

    name: str
    layer: nn.Module
    shape: tuple[int, ...]
    first: bool
    seen: Tensor
    activation: Nonlinearity | None
    """What the layer is if it is an activation; of a function, what was called, with the layer before it."""
    called_as_function: bool = False
    back: Tensor | None = None

    def take_gradient(self, grad: Tensor) -> None:
        flat = grad.detach().float().flatten()
        self.back = torch.stack([flat.mean(), flat.std(correction=0), torch.linalg.vector_norm(flat)])


@contextlib.contextmanager
def listening(module: nn.Module, x: Tensor, *, functions: bool = False) -> Iterator[list[Call]]:
    """Note every call of a layer while the block runs."""
    ear = _Ear(axis=1 if x.ndim == 4 else -1)
    handles = []
    for name, layer in module.named_modules():
        if is_layer(layer) and "parametrizations" not in name:
            handles.append(layer.register_forward_pre_hook(ear.enter))
            handles.append(layer.register_forward_hook(ear.hook(name)))
    try:
        with _Functions(ear) if functions else contextlib.nullcontext():
            yield ear.calls
    finally:
        for handle in handles:
            handle.remove()


def is_layer(module: nn.Module) -> bool:
    """Tell layers from containers: nothing below it, or parameters of its own."""
    below = [name for name, _ in module.named_children() if name != "parametrizations"]
    return not below or any(True for _ in module.parameters(recurse=False))


def is_recurrent(layer: nn.Module) -> bool:
    """Recognise torch's recurrent layers and those that are laid out alike."""
    return isinstance(layer, nn.RNNBase | nn.RNNCellBase) or hasattr(layer, "weight_hh")


class _Ear:
    """Gather calls. `inside` counts the open calls of layers whose own functions are no activations of the network."""

    def __init__(self, *, axis: int) -> None:
        self.calls: list[Call] = []
        self.axis = axis
        self.inside = 0

    def enter(self, layer: nn.Module, args: object) -> None:
        self.inside += _has_inner_functions(layer)

    def hook(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def listen(layer: nn.Module, args: object, output: object) -> None:
            self.inside -= _has_inner_functions(layer)
            tensor = _first_tensor(output)
            self.axis = _units_axis(layer, self.axis)
            if tensor is None or not tensor.is_floating_point():
                return
            times = 1 + sum(call.layer is layer and not call.called_as_function for call in self.calls)
            called = (name or type(layer).__name__) + (f"#{times}" if times > 1 else "")
            limits = _range(layer)
            seen = _activation(tensor.detach(), limits, self.axis)
            self._note(
                Call(called, layer, tuple(tensor.shape), times == 1, seen, nonlinearity_of(layer)), tensor=tensor
            )

        return listen

    def hear(self, activation: Nonlinearity, result: object) -> None:
        """Note a function that was called outside of the layers that have such inside."""
        before = self.calls[-1] if self.calls else None
        if self.inside or before is None or not isinstance(result, Tensor) or not result.is_floating_point():
            return
        seen = _activation(result.detach(), RANGES.get(activation.name), self.axis)
        name = f"{before.name}/{activation.name}"
        self._note(Call(name, before.layer, tuple(result.shape), False, seen, activation, True), tensor=result)

    def _note(self, call: Call, *, tensor: Tensor) -> None:
        self.calls.append(call)
        if tensor.requires_grad:
            tensor.register_hook(call.take_gradient)


class _Functions(TorchFunctionMode):
    """Tell an ear of each activation that is called as a function."""

    def __init__(self, ear: _Ear) -> None:
        self._ear = ear

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        activation = nonlinearity_called(func, args, kwargs or {})
        if activation is not None:
            self._ear.hear(activation, result)
        return result


def _has_inner_functions(layer: nn.Module) -> bool:
    return nonlinearity_of(layer) is not None or is_recurrent(layer) or isinstance(layer, nn.MultiheadAttention)


def _units_axis(layer: nn.Module, axis: int) -> int:
    """Return the axis on which units lie from this layer on."""
    if isinstance(layer, _UNITS_FIRST):
        return 1
    if isinstance(layer, _UNITS_LAST) or is_recurrent(layer):
        return -1
    return axis


def _range(layer: nn.Module) -> tuple[float, float] | None:
    """Return the range of a bounded activation; a layer of another kind may say its own, as `output_range`."""
    own = getattr(layer, "output_range", None)
    if own is None and type(layer).__name__ == "RNNLayer":
        own = RANGES["tanh"]
    activation = nonlinearity_of(layer)
    return own or (RANGES.get(activation.name) if activation else None)


def _first_tensor(output: object) -> Tensor | None:
    while isinstance(output, tuple | list) and output:
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _activation(output: Tensor, limits: tuple[float, float] | None, axis: int) -> Tensor:
    values = output.float()
    zero = values == 0
    units = zero.movedim(axis, 0).flatten(1).all(1) if zero.ndim > 1 else zero.all()
    share = values.new_tensor(math.nan)
    if limits is not None:
        low, high = limits
        share = ((2 * values - low - high).abs() > _SATURATED * (high - low)).float().mean()
    numbers = [values.mean(), values.std(correction=0), zero.float().mean(), units.float().mean()]
    return torch.stack([*numbers, share])
