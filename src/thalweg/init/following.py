"""Which activation follows a layer: read off a forward pass where there is a batch, else off the order of modules."""

from collections.abc import Sequence

from torch import Tensor, nn

from thalweg.init.listening import Call, is_recurrent
from thalweg.init.looking import run
from thalweg.init.nonlinear import IDENTITY, Nonlinearity, nonlinearity_of
from thalweg.init.weights import Weight


def following(module: nn.Module, weights: Sequence[Weight], x: Tensor | None) -> dict[nn.Module, Nonlinearity]:
    """Return the activation that comes after each layer and before the next one with weights, else the identity.

    A recurrent layer counts as followed by nothing: its state feeds itself, and a gain above 1 would let it grow. With
    a batch, functions such as F.relu are seen too; without, modules count in the order in which they were registered.
    """
    owners = {weight.owner for weight in weights}
    if x is None:
        events = [(layer, nonlinearity_of(layer)) for layer in module.modules()]
    else:
        state = {name: buffer.detach() for name, buffer in module.named_buffers()}
        calls, _ = run(module, dict(module.named_parameters()), state, x=x, y=None, loss=None, functions=True)
        events = [(call.layer, call.activation) for call in calls]
    found: dict[nn.Module, Nonlinearity] = {}
    open_layer: nn.Module | None = None
    for layer, activation in events:
        if activation is not None:
            if open_layer is not None and not is_recurrent(open_layer):
                found.setdefault(open_layer, activation)
            open_layer = None
        elif layer in owners:
            open_layer = layer
    return {owner: found.get(owner, IDENTITY) for owner in owners}


def stages(calls: Sequence[Call], weights: Sequence[Weight]) -> list[tuple[Call, Call]]:
    """Pair each call of a layer with weights with the call that ends its stage: its activation's, else its own."""
    owners = {weight.owner for weight in weights}
    found: list[tuple[Call, Call]] = []
    for call in calls:
        if call.activation is None and call.layer in owners:
            found.append((call, call))
        elif call.activation is not None and found and found[-1][1] is found[-1][0]:
            found[-1] = (found[-1][0], call)
    return found
