"""RAdam: Adam that waits with its denominator until there is enough to average."""

import dataclasses
from typing import ClassVar, Final, Literal, final

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Beta1, Beta2, Count, Epsilon, LearningRate, Rule, State, Transformation, WeightDecay
from thalweg.rules.decay import with_decay
from thalweg.rules.moments import EpsAt, Mean, RootSquare, correction
from thalweg.rules.rate import ByRate
from thalweg.rules.scalars import counted

_EPS_AT: Final[dict[str, EpsAt]] = {"torch": "raw", "optax": "outside", "paper": "nowhere"}


@final
@dataclasses.dataclass(frozen=True)
class Rectify(Transformation):
    """Divide the mean by the root square, times r, once the average square has a length rho above `enough`."""

    enough: float = 5.0
    eps_at: EpsAt = "raw"

    def init(self, params: Params) -> State:
        return {**Mean().init(params), **RootSquare().init(params)}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        m, slots = Mean().apply(updates, state, params, hyper, step)
        roots, more = RootSquare(eps_at=self.eps_at).apply(updates, state, params, hyper, step)
        rho, longest = self._lengths(hyper["beta2"], step)
        is_enough = rho > self.enough
        if not isinstance(is_enough, Tensor):
            r = rectification(rho, longest) if is_enough else 1.0
            u = {name: value / roots[name] * r for name, value in m.items()} if is_enough else m
        else:
            r = rectification(rho, longest)
            u = {name: torch.where(is_enough, value / roots[name] * r, value) for name, value in m.items()}
        return u, {**slots, **more}

    def _lengths(self, beta2: float | Tensor, step: Count) -> tuple[float | Tensor, float | Tensor]:
        t = counted(step)
        longest = 2 / (1 - beta2) - 1
        return longest - 2 * t * beta2**t / correction(beta2, step), longest


def rectification(rho: float | Tensor, longest: float | Tensor) -> float | Tensor:
    """Return r = sqrt((rho - 4) (rho - 2) longest / ((longest - 4) (longest - 2) rho)); rho must lie above 4."""
    square: float | Tensor = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
    return square**0.5


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RAdam(Rule):
    """Step along the average gradient at first, then as Adam does, with a share r that rises to 1.

    longest = 2 / (1 - beta2) - 1;  rho = longest - 2 * t * beta2^t / (1 - beta2^t)
    r = sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
    params = params - lr * r * (m / (1 - beta1^t)) * sqrt(1 - beta2^t) / (sqrt(s) + eps)    if rho > 5
    params = params - lr * m / (1 - beta1^t)    else

    "optax" adds eps to the corrected root, sqrt(s / (1 - beta2^t)) + eps; "paper" has no eps, and rho > 4: with beta2 =
    0.999 it begins at step 5, the others at step 6. `weight_decay` is coupled unless `decoupled_weight_decay`.

    Source: Liu et al. 2020, algorithm 2.

    >>> RAdam().hyper()["beta2"]
    0.999
    """

    name: ClassVar[str] = "radam"
    lr: LearningRate = 1e-3
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.0
    decoupled_weight_decay: bool = False
    convention: Literal["torch", "optax", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        step = Rectify(4.0 if self.convention == "paper" else 5.0, _EPS_AT[self.convention])
        return (*with_decay(step, apart=self.decoupled_weight_decay), ByRate())
