"""LAMB: Adam's step, as long in each layer as its weights are."""

import dataclasses
from typing import ClassVar, Literal, final

from thalweg.rules.base import Beta1, Beta2, Epsilon, LearningRate, Rule, Transformation, WeightDecay
from thalweg.rules.decay import AddDecay
from thalweg.rules.layout import WEIGHTS
from thalweg.rules.moments import MeanOverRootSquare
from thalweg.rules.rate import ByRate
from thalweg.rules.split import ByRole
from thalweg.rules.trust import TrustRatio


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LAMB(Rule):
    """Take AdamW's direction, in each layer as long as the layer's weights.

    u = (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps) + weight_decay * params
    params = params - lr * u * |params| / |u|

    `convention="keras"` decays first and takes the ratio without decay. Biases, norms and single vectors step as AdamW
    does, as in the authors' code; `trust_on="all"` gives them a ratio too, as optax and Keras do.

    Source: You et al. 2020, algorithm 2, with phi(z) = z.

    >>> LAMB(lr=0.01).eps
    1e-06
    """

    name: ClassVar[str] = "lamb"
    lr: LearningRate = 0.01
    beta1: Beta1 = 0.9
    beta2: Beta2 = 0.999
    eps: Epsilon = 1e-6
    weight_decay: WeightDecay = 0.01
    trust_on: Literal["weights", "all"] = "weights"
    convention: Literal["paper", "optax", "keras"] = "paper"

    def chain(self) -> tuple[Transformation, ...]:
        decays_first = self.convention == "keras"
        trusted: Transformation = TrustRatio(shrunk=decays_first)
        if self.trust_on == "weights":
            trusted = ByRole(chosen=(trusted,), others=(), roles=WEIGHTS)
        rest = (trusted, AddDecay()) if decays_first else (AddDecay(), trusted)
        return (MeanOverRootSquare(), *rest, ByRate())
