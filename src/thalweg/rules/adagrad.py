"""AdaGrad: each weight's step divided by all that its gradient has been."""

import dataclasses
from typing import Annotated, ClassVar, Literal, final

from thalweg.core import Knob, law
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Epsilon, LearningRate, Rule, State, Transformation, WeightDecay
from thalweg.rules.decay import with_decay
from thalweg.rules.moments import Divide, EpsAt, rooted, zeros_like
from thalweg.rules.rate import ByRate
from thalweg.rules.scalars import counted

Start = Annotated[float | None, Knob("sum of squares at the start", "[0, inf)", low=1e-3, high=1.0, log=True)]
RateDecay = Annotated[float, Knob("how fast the rate falls", "[0, inf)", low=1e-4, high=1.0, log=True)]


@final
@dataclasses.dataclass(frozen=True)
class RootSum(Transformation):
    """Give the root of the sum of squares: s = s + g²; sqrt(start + s), with eps beside or under it."""

    start: float = 0.0
    eps_at: EpsAt = "outside"

    def init(self, params: Params) -> State:
        return {"sum": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params, step
        s = {name: state["sum"][name].addcmul(g, g) for name, g in updates.items()}
        start = hyper.get("initial_accumulator_value", self.start)
        begun = s if isinstance(start, float) and not start else {name: value + start for name, value in s.items()}
        return rooted(begun, hyper["eps"], self.eps_at, None), {"sum": s}


@final
@dataclasses.dataclass(frozen=True)
class SlowDown(Transformation):
    """Let steps fall with their number: u / (1 + lr_decay * (t - 1))."""

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params
        decay = hyper["lr_decay"]
        if isinstance(decay, float) and not decay:
            return updates, {}
        slower = 1 + decay * (counted(step) - 1)
        return {name: update / slower for name, update in updates.items()}, {}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Adagrad(Rule):
    """Divide the gradient by the root of the sum of all its squares so far.

    s = s + g²;  params = params - lr / (1 + lr_decay * (t - 1)) * g / (sqrt(s) + eps)

    s starts at `initial_accumulator_value`; None is 0, and 0.1 for "optax" and "keras", which also put eps under the
    root: sqrt(s + eps). "torch" and "paper" are one, but the paper has no `lr_decay`. `weight_decay` is coupled, in
    "keras" decoupled. As s only grows, steps only shrink.

    Source: Duchi et al. 2011, figure 1, with the diagonal.

    >>> Adagrad(convention="optax").hyper()
    {'lr': 0.01, 'lr_decay': 0.0, 'eps': 1e-10, 'weight_decay': 0.0}
    """

    name: ClassVar[str] = "adagrad"
    lr: LearningRate = 0.01
    lr_decay: RateDecay = 0.0
    eps: Epsilon = 1e-10
    initial_accumulator_value: Start = None
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def check(self) -> None:
        if self.lr_decay and self.convention != "torch":
            cure = "Leave it out, or use a schedule."
            raise law("Adagrad(lr_decay=...)", "is torch's alone", self.convention, cure)

    def chain(self) -> tuple[Transformation, ...]:
        late = self.convention in ("optax", "keras")
        root = RootSum(0.1, "inside") if late else RootSum()
        steps = with_decay(Divide(root), apart=self.convention == "keras")
        return (*steps, SlowDown(), ByRate()) if self.convention == "torch" else (*steps, ByRate())
