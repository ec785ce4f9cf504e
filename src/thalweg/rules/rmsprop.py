"""RMSProp: each weight's step divided by the recent size of its gradient."""

import dataclasses
from typing import Annotated, ClassVar, Final, Literal, final

from thalweg.core import Knob, law
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, Epsilon, LearningRate, Momentum, Rule, State, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay, PullApart
from thalweg.rules.moments import Divide, EpsAt, RootSquare, Velocity, averaged, averaged_square, rooted, zeros_like
from thalweg.rules.rate import ByRate

_EPS_AT: Final[dict[str, EpsAt]] = {"torch": "outside", "optax": "inside", "keras": "inside", "paper": "nowhere"}


@final
@dataclasses.dataclass(frozen=True)
class RootVariance(Transformation):
    """Give the root of the average square about the average: s - m², both averages of beta alpha; never below 0."""

    eps_at: EpsAt = "outside"

    def init(self, params: Params) -> State:
        return {"square": zeros_like(params), "mean": zeros_like(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params, step
        alpha = hyper["alpha"]
        s, m = averaged_square(state["square"], updates, alpha), averaged(state["mean"], updates, alpha)
        variance = {name: value.addcmul(m[name], m[name], value=-1).clamp(min=0) for name, value in s.items()}
        return rooted(variance, hyper["eps"], self.eps_at, None), {"square": s, "mean": m}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RMSProp(Rule):
    """Divide the gradient by the root of its average square.

    s = alpha * s + (1 - alpha) * g²
    params = params - lr * g / (sqrt(s) + eps)

    `centered` divides by sqrt(s - m²) + eps, m the average of g. With `momentum` steps gather: v = momentum * v + g /
    (sqrt(s) + eps), params = params - lr * v. "optax" and "keras" put eps under the root, sqrt(s + eps), and lr into
    the velocity, v = momentum * v + lr * g / sqrt(s + eps), which shows where lr moves; "paper" (the lecture) has no
    eps. `weight_decay` is coupled, in "keras" decoupled.

    Source: Tieleman and Hinton 2012, lecture 6.5; Graves 2013, equations 38 to 41, for `centered`.

    >>> RMSProp(lr=0.01).hyper()["alpha"]
    0.99
    """

    name: ClassVar[str] = "rmsprop"
    lr: LearningRate = 1e-3
    alpha: Annotated[float, Knob("share of the average square kept at each step", "[0, 1)", low=0.9, high=0.999)] = 0.99
    eps: Epsilon = 1e-8
    momentum: Momentum = 0.0
    centered: bool = False
    nesterov: bool = False
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def check(self) -> None:
        if self.nesterov and not self.momentum:
            raise law("RMSProp(nesterov=True)", "needs a momentum above 0", self.momentum, "Set momentum=0.9, say.")

    def chain(self) -> tuple[Transformation, ...]:
        eps_at = _EPS_AT[self.convention]
        root = RootVariance(eps_at) if self.centered else RootSquare("alpha", corrected=False, eps_at=eps_at)
        speed = (Velocity(nesterov=self.nesterov),) if self.momentum else ()
        if self.convention == "keras":
            return (Divide(root), ByRate(), *speed, PullApart())
        late = (ByRate(), *speed) if self.convention == "optax" else (*speed, ByRate())
        return (AddDecay(), Divide(root), *late)
