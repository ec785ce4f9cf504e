"""Muon: momentum, orthogonalised, for matrices; AdamW for everything else."""

import dataclasses
from typing import Annotated, ClassVar, Final, Literal, final

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import (
    Beta1,
    Beta2,
    Count,
    Epsilon,
    LearningRate,
    Momentum,
    Rule,
    State,
    Transformation,
    WeightDecay,
)
from thalweg.rules.decay import AddDecay
from thalweg.rules.moments import Divide, Mean, MeanOverRootSquare, RootSquare, Velocity
from thalweg.rules.nadam import MeanAhead
from thalweg.rules.orthogonal import Orthogonalise
from thalweg.rules.rate import ByRate
from thalweg.rules.split import ByRole

Ratio = Annotated[
    float, Knob("rate of the parameters that are no matrix, over lr", "(0, inf)", low=0.01, high=10, log=True)
]

_SMALLEST: Final = {"torch": 1e-7, "optax": 1e-8, "keras": 1e-7, "paper": 1e-7}


@final
@dataclasses.dataclass(frozen=True)
class TimesRatio(Transformation):
    """Multiply by `adam_lr_ratio`."""

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params, step
        ratio = hyper["adam_lr_ratio"]
        return (
            updates if isinstance(ratio, float) and ratio == 1.0 else {n: u * ratio for n, u in updates.items()}
        ), {}


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Muon(Rule):
    """Step along the orthogonalised momentum where a parameter is a matrix, as AdamW does where it is not.

    v = momentum * v + (1 - momentum) * g;  u = momentum * v + (1 - momentum) * g    with `nesterov`, else u = v
    params = params - lr * (scale * orthogonal(u) + weight_decay * params)

    Matrices are the weights of dense, recurrent and convolutional layers (a filter's further axes laid end to end), not
    embeddings and not the head; the rest has the rate lr * adam_lr_ratio. `scale` is 0.2 * sqrt(max(rows, columns)) for
    "match_rms_adamw" (Keras), as long as AdamW's steps are late in training; for "original" (torch, optax, Jordan) it
    is sqrt(max(1, rows / columns)). Conventions "keras" and "paper" gather momentum * v + g, which shows by an eps in
    the norm alone; "optax" corrects v for its start at zero. AdamW is each library's own: "keras" adds eps to the raw
    root, "optax" makes it NAdamW with `nesterov`. float32 on CPUs, where torch takes bfloat16.

    Source: Jordan et al. 2024, kellerjordan.github.io/posts/muon; Liu et al. 2025 for the scale.

    >>> Muon(lr=0.02).hyper()["momentum"]
    0.95
    """

    name: ClassVar[str] = "muon"
    lr: LearningRate = 0.02
    momentum: Momentum = 0.95
    nesterov: bool = True
    scale: Literal["original", "match_rms_adamw", "none"] = "match_rms_adamw"
    weight_decay: WeightDecay = 0.1
    adam_lr_ratio: Ratio = 0.15
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        speed: Transformation = Velocity(average=self.convention == "torch", nesterov=self.nesterov)
        if self.convention == "optax":
            speed = MeanAhead("momentum") if self.nesterov else Mean("momentum")
        square = Orthogonalise(self.scale, _SMALLEST[self.convention], bounded=self.convention == "torch")
        chosen, others = (speed, square, AddDecay()), (self._adam(), AddDecay(), TimesRatio())
        return (ByRole(chosen=chosen, others=others, asked_by="Muon()"), ByRate())

    def _adam(self) -> Transformation:
        if self.convention == "optax" and self.nesterov:
            return Divide(RootSquare(), MeanAhead())
        return MeanOverRootSquare(eps_at="raw" if self.convention == "keras" else "outside")
