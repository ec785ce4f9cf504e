"""Starting a module over, in place: every weight from a generator of its own, biases at zero."""

import dataclasses
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from thalweg.core import UsageError, law
from thalweg.core.random import generator, key, undisturbed
from thalweg.init.base import Fitted, Init, Spot
from thalweg.init.branches import branch_ends
from thalweg.init.following import following
from thalweg.init.weights import Weight, find_biases, find_weights, forget_gate

Batch = Tensor | tuple[Tensor, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StartRow:
    """Tell how one weight was started."""

    name: str
    fan_in: int
    fan_out: int
    activation: str
    """What follows the layer; "identity" if nothing does."""
    std_asked: float
    """NaN where the data decided."""
    std_got: float
    """Of the weight that the layer computes with, about its mean."""


def start(module: nn.Module, init: Init, *, seed: int, batch: Batch | None = None) -> list[StartRow]:
    """Start every weight of a module over as `init` says, in place, and its biases at 0; return a row for each weight.

    Weights are the matrices of dense, convolutional, recurrent, attention and embedding layers, and parameters called
    weight... of other modules. Normalisations, other parameters, frozen ones and the forget gates of an LSTM's biases
    stay as they are. Tied weights are started once, under their first name. Each matrix draws from a generator that
    depends on `seed` and its name alone: no other layer, and none of torch's own generators, has a part in it.

    `batch`, x or (x, y), shows which activation follows a layer also where it is called as a function; without it, the
    order of modules does. Raises `UsageError` for a start that needs a batch and gets none, and for weights that are
    computed by a hook or have no values yet.
    """
    if not isinstance(init, Init):
        raise law("start(init=...)", "must be an Init", init, "Use thalweg.init.He(), say.")
    x = batch[0] if isinstance(batch, tuple | list) else batch
    if init.needs_batch and x is None:
        raise UsageError(f"`{type(init).__name__}` looks at data; give `start` a batch: start(..., batch=x).")
    weights = find_weights(module)
    spots = _spots(module, weights, x, find_branches=init.needs_batch and not isinstance(init, Fitted))
    for _, owner, attribute in find_biases(module):
        _clear(owner, attribute)
    for weight in weights:
        spot, count = spots[weight.name], range(weight.num_matrices)
        weight.write([init.draw(spot, generator(seed, f"init/{weight.name}", k)) for k in count])
    if isinstance(init, Fitted) and x is not None:
        layers = {weight.owner: _writer(weight) for weight in weights if weight.can_be_fitted}
        init.fit(layers, _pass(module, x, seed))
    return [_row(weight, spots[weight.name], init) for weight in weights]


def _spots(module: nn.Module, weights: Sequence[Weight], x: Tensor | None, *, find_branches: bool) -> dict[str, Spot]:
    follows = following(module, weights, x)
    owners = dict.fromkeys(weight.owner for weight in weights)
    ends = branch_ends(module, owners, x) if find_branches and x is not None else []
    last = {_output_of(end) for end in ends}
    spots = {}
    for weight in weights:
        fan_in, fan_out = weight.fans()
        activation = follows[weight.owner]
        ends_branch = weight.owner in last and not weight.is_gated
        spots[weight.name] = Spot(
            name=weight.name,
            shape=tuple(weight.matrices()[0].shape),
            fan_in=fan_in,
            fan_out=fan_out,
            activation=activation.name,
            slope=activation.slope,
            branches=len(ends) if ends_branch else 0,
        )
    return spots


def _output_of(layer: nn.Module) -> nn.Module:
    """Return the part of a layer that makes its output: attention ends with a dense layer of its own."""
    return layer.out_proj if isinstance(layer, nn.MultiheadAttention) else layer


@torch.no_grad()
def _clear(owner: nn.Module, attribute: str) -> None:
    values = getattr(owner, attribute)
    cleared = torch.zeros_like(values)
    gate = forget_gate(owner, attribute)
    if gate is not None:
        cleared[gate] = values[gate]
    if attribute in owner._parameters:
        values.copy_(cleared)
    else:
        setattr(owner, attribute, cleared)


def _writer(weight: Weight) -> Callable[[Callable[[Tensor], Tensor]], None]:
    return lambda change: weight.set(change(weight.computed()))


def _pass(module: nn.Module, x: Tensor, seed: int) -> Callable[[], None]:
    """Return a function that takes a batch forward, with the same dropout each time and buffers left alone."""

    def run() -> None:
        buffers = {name: buffer.detach().clone() for name, buffer in module.named_buffers()}
        with undisturbed(), torch.no_grad():
            torch.manual_seed(key(seed, "init/pass"))
            torch.func.functional_call(module, buffers, (x,))

    return run


def _row(weight: Weight, spot: Spot, init: Init) -> StartRow:
    return StartRow(
        name=weight.name,
        fan_in=spot.fan_in,
        fan_out=spot.fan_out,
        activation=spot.activation,
        std_asked=init.deviation(spot),
        std_got=float(weight.computed().float().std(correction=0)),
    )
