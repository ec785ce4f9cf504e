"""Rules: how gradients become changes of the parameters.

A rule is a chain of small transformations, as the notes derive one rule from another: clip, add decay, average,
divide by the second moment. Its interface is pure: `update(grads, state, params, hyper, step) -> (change, state)`,
with one scalar for each hyperparameter, so that one definition serves a single run, a population under vmap and a
surface.

To add a rule: one file with a final dataclass whose `chain()` lists its transformations, and one import line in
`rules/__init__.py`. To add a transformation: one class in the file named after what it does.
"""

from abc import ABC, abstractmethod
from typing import Annotated, TypeAlias

from torch import Tensor

from thalweg.core import Component, Knob, knobs
from thalweg.core.types import Hyper, Params

State: TypeAlias = dict[str, Params]
"""What a rule remembers: slot ("velocity", "mean", "square") to one tensor a parameter."""
Count: TypeAlias = int | Tensor
"""How many updates were made before this one: 0 at the first."""

LearningRate = Annotated[float, Knob("length of a step", "(0, inf)", low=1e-5, high=1.0, log=True)]
WeightDecay = Annotated[float, Knob("pull of the weights to zero", "[0, inf)", low=1e-6, high=0.1, log=True)]
Epsilon = Annotated[float, Knob("keeps a division from dividing by zero", "[0, inf)", low=1e-10, high=1e-3, log=True)]


class Transformation(ABC):
    """Turn updates into updates, remembering what it needs in named slots."""

    @abstractmethod
    def init(self, params: Params) -> State: ...

    @abstractmethod
    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        """Return the new updates and the new content of this transformation's slots.

        Change nothing in place, and keep no input itself in a slot: the loop writes the next gradient over this one.
        """


class Rule(Component):
    """Turn gradients into changes: params' = params - lr * chain(grads)."""

    __slots__ = ()
    lr: float

    @abstractmethod
    def chain(self) -> tuple[Transformation, ...]:
        """List the transformations between the gradient and the step, in order."""

    def hyper(self) -> dict[str, float]:
        """Return the hyperparameters by name, as numbers that `update` takes back."""
        return {name: float(getattr(self, name)) for name in knobs(type(self))}

    def init(self, params: Params) -> State:
        """Return the empty memory for these parameters.

        Its slots depend on this rule's own numbers: a population that varies momentum starts from a rule that has some.
        """
        state: State = {}
        for transformation in self.chain():
            state |= transformation.init(params)
        return state

    def update(self, grads: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        """Return what is to be added to each parameter, and the new memory. NaN in a gradient goes into the change."""
        return follow(self.chain(), grads, state, params, hyper, step)


def follow(
    chain: tuple[Transformation, ...], grads: Params, state: State, params: Params, hyper: Hyper, step: Count
) -> tuple[Params, State]:
    """Do what `Rule.update` does for a chain that was listed before: a loop need not list it at each step."""
    updates = grads
    for transformation in chain:
        updates, changed = transformation.apply(updates, state, params, hyper, step)
        if changed:
            state = {**state, **changed}
    lr = hyper["lr"]
    change = {name: update * -lr for name, update in updates.items()}
    if any(isinstance(value, Tensor) for value in hyper.values()):
        return _in_the_precision_of(params, change), {k: _in_the_precision_of(params, v) for k, v in state.items()}
    return change, state


def _in_the_precision_of(params: Params, named: Params) -> Params:
    """Undo that a float64 hyperparameter lifts a parameter of shape () to its own precision; others it leaves alone."""
    return {name: tensor.to(params[name].dtype) for name, tensor in named.items()}


def scaled_sum(x: Tensor, factor: float | Tensor, y: Tensor) -> Tensor:
    """Return x * factor + y; one operation where the factor is a number, as it is in a single run."""
    return y.add(x, alpha=factor) if isinstance(factor, float) else x * factor + y
