"""Rules: how gradients become changes of the parameters.

A rule is a chain of small transformations, as the notes derive one rule from another: clip, add decay, average, divide
by the second moment, multiply by the rate. Its interface is pure: `update(grads, state, params, hyper, step)` gives
`(change, state)`, with one scalar for each hyperparameter, so that one definition serves a single run, a population
under vmap, a surface and `tw.optim`.

To add a rule: one file with a final dataclass whose `chain()` lists its transformations, and one import line in
`rules/__init__.py`. To add a transformation: one class in the file named after what it does. A rule around another
(clipping, averages, SAM) holds it in its field `rule` and puts its own transformations before or after the other's.
"""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, TypeAlias

from torch import Tensor

from thalweg.core import Component, Knob, knobs, law
from thalweg.core.types import Hyper, Params
from thalweg.rules.chain import begin, follow
from thalweg.rules.chain import scaled_sum as scaled_sum
from thalweg.rules.layout import Layout

State: TypeAlias = dict[str, Params]
"""What a rule remembers: slot ("velocity", "mean", "square") to one tensor a parameter, or to numbers of the whole."""
Count: TypeAlias = int | Tensor
"""How many updates were made before this one: 0 at the first."""

LearningRate = Annotated[float, Knob("length of a step", "(0, inf)", low=1e-5, high=1.0, log=True)]
WeightDecay = Annotated[float, Knob("pull of the weights to zero", "[0, inf)", low=1e-6, high=0.1, log=True)]
Epsilon = Annotated[float, Knob("keeps a division from dividing by zero", "[0, inf)", low=1e-10, high=1e-3, log=True)]
Beta1 = Annotated[float, Knob("share of the average gradient kept at each step", "[0, 1)", low=0.5, high=0.99)]
Beta2 = Annotated[float, Knob("share of the average square kept at each step", "[0, 1)", low=0.9, high=0.9999)]
Momentum = Annotated[float, Knob("share of the velocity kept at each step", "[0, 1)", low=0.5, high=0.99)]


class Transformation(ABC):
    """Turn updates into updates, remembering what it needs in named slots. Updates become changes at `ByRate`."""

    flat: ClassVar[bool] = True
    """May work on all weights laid end to end in one tensor: it asks for no shape."""

    @abstractmethod
    def init(self, params: Params) -> State: ...

    @abstractmethod
    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        """Return the new updates and the new content of this transformation's slots.

        Change nothing in place, and keep no input itself in a slot: the loop writes the next gradient over this one.
        """


class Placed(Transformation):
    """Be a transformation that treats parameters by their role: it is told the layout before training."""

    @abstractmethod
    def place(self, layout: Layout) -> Transformation:
        """Return the transformation for these parameters. Unplaced, it goes by shapes alone."""


class SecondPoint(Transformation):
    """Ask for a second gradient, elsewhere: what the rule then sees is the gradient there."""

    @abstractmethod
    def offset(self, grads: Params, params: Params, hyper: Hyper) -> Params:
        """Return how far from the parameters the second gradient is to be taken."""


class Judged(Transformation):
    """Know better weights than those it trains: an average, the end point of a schedule-free run."""

    @abstractmethod
    def evaluation(self, params: Params, state: State, hyper: Hyper) -> Params:
        """Return the weights to be judged and kept, given those that train."""


class Rule(Component):
    """Turn gradients into changes: params' = params + change."""

    __slots__ = ()
    lr: float
    needs_hessian: ClassVar[bool] = False
    """The loop puts the Hessian, (N, N) over all parameters end to end, into `state["hessian"]["all"]`."""
    needs_no_schedule: ClassVar[bool] = False
    """Does without a falling rate: a run that names no schedule keeps the rate."""

    @abstractmethod
    def chain(self) -> tuple[Transformation, ...]:
        """List the transformations between the gradient and the change, in order."""

    def hyper(self) -> dict[str, float]:
        """Return the hyperparameters by name, as numbers that `update` takes back; a held rule's stand among them."""
        own = {name: float(getattr(self, name)) for name in knobs(type(self)) if getattr(self, name) is not None}
        held = getattr(self, "rule", None)
        if not isinstance(held, Rule):
            return own
        inner = held.hyper()
        if twice := sorted(own.keys() & inner.keys()):
            raise law(f"{type(self).__name__}({twice[0]}=...)", "is set in the rule that it holds too", held.name)
        return {**inner, **own}

    def init(self, params: Params) -> State:
        """Return the empty memory for these parameters.

        Its slots depend on this rule's own numbers: a population that varies momentum starts from a rule that has some.
        """
        return begin(self.chain(), params)

    def update(self, grads: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        """Return what is to be added to each parameter, and the new memory. NaN in a gradient goes into the change."""
        return follow(self.chain(), grads, state, params, hyper, step)
