"""Adam, with and without bias correction; AdamW, whose decay stands apart from the gradient."""

import dataclasses
from typing import ClassVar, Literal, final

from thalweg.rules.base import Beta1, Beta2, Epsilon, LearningRate, Rule, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay, PullApart, with_decay
from thalweg.rules.moments import MeanOverRootSquare
from thalweg.rules.rate import ByRate


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Adam(Rule):
    """Divide the average gradient by the root of its average square.

    m = beta1 * m + (1 - beta1) * g;  s = beta2 * s + (1 - beta2) * g²
    params = params - lr * (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps)

    `bias_correction=False` leaves both denominators out, as the slides write it. In "keras" eps joins the root before
    its correction, (sqrt(s) + eps) / sqrt(1 - beta2^t), as at the end of the paper's section 2. `weight_decay` is
    coupled: it goes into g; in "keras" it is decoupled, as in `AdamW`.

    Source: Kingma and Ba 2015, algorithm 1.

    >>> Adam(lr=0.001).hyper()["beta2"]
    0.999
    """

    name: ClassVar[str] = "adam"
    lr: LearningRate = 1e-3
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    bias_correction: bool = True
    weight_decay: WeightDecay = 0.0
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        is_kerass = self.convention == "keras"
        step = MeanOverRootSquare(corrected=self.bias_correction, eps_at="raw" if is_kerass else "outside")
        return (*with_decay(step, apart=is_kerass), ByRate())


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AdamW(Rule):
    """Step as Adam does, with the decay apart from the gradient.

    params = params - lr * (adam's step + weight_decay * params)

    "keras" has eps as in its Adam. In "paper" lr does not multiply the decay, params - lr * adam's step -
    weight_decay * params: the same path needs a weight_decay lr times as large, one that falls wherever lr falls.

    Source: Loshchilov and Hutter 2019, algorithm 2; all libraries multiply the decay by lr.

    >>> AdamW(lr=0.001).hyper()["weight_decay"]
    0.01
    """

    name: ClassVar[str] = "adamw"
    lr: LearningRate = 1e-3
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-8
    weight_decay: WeightDecay = 0.01
    convention: Literal["torch", "optax", "keras", "paper"] = "torch"

    def chain(self) -> tuple[Transformation, ...]:
        step = MeanOverRootSquare(eps_at="raw" if self.convention == "keras" else "outside")
        if self.convention == "paper":
            return (step, ByRate(), PullApart(by_rate=False))
        return (step, AddDecay(), ByRate())
