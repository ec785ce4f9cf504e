"""Following a chain of transformations from the gradient to the change."""

from typing import TYPE_CHECKING

from torch import Tensor

from thalweg.core.types import Hyper, Params

if TYPE_CHECKING:
    from thalweg.rules.base import Count, State, Transformation


def begin(chain: "tuple[Transformation, ...]", params: Params) -> "State":
    """Do what `Rule.init` does for a chain that was listed, and perhaps placed, before."""
    state: State = {}
    for transformation in chain:
        state |= transformation.init(params)
    return state


def follow(
    chain: "tuple[Transformation, ...]", grads: Params, state: "State", params: Params, hyper: Hyper, step: "Count"
) -> "tuple[Params, State]":
    """Do what `Rule.update` does for a chain that was listed, and perhaps placed, before."""
    updates = grads
    for transformation in chain:
        updates, changed = transformation.apply(updates, state, params, hyper, step)
        if changed:
            state = {**state, **changed}
    if isinstance(step, Tensor) or any(isinstance(value, Tensor) for value in hyper.values()):
        return _in_the_precision_of(params, updates), {k: _in_the_precision_of(params, v) for k, v in state.items()}
    return updates, state


def _in_the_precision_of(params: Params, named: Params) -> Params:
    """Undo that a float64 hyperparameter lifts a parameter of shape () to its own precision; others it leaves alone."""
    return {name: tensor.to(params[name].dtype) if name in params else tensor for name, tensor in named.items()}


def scaled_sum(x: Tensor, factor: float | Tensor, y: Tensor) -> Tensor:
    """Return x * factor + y; one operation where the factor is a number, as it is in a single run."""
    return y.add(x, alpha=factor) if isinstance(factor, float) else x * factor + y
