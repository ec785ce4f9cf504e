"""Noise on the gradient that dies down."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.random import fold, normal
from thalweg.core.types import Hyper, Params
from thalweg.rules.around import Around
from thalweg.rules.base import Count, Rule, State, Transformation
from thalweg.rules.scalars import counted


@final
@dataclasses.dataclass(frozen=True)
class AddNoise(Transformation):
    """Add N(0, sigma²) to every number, sigma² = noise / t^noise_decay.

    The draws are a function of seed and step: all parameters share one sequence, in their order, so that weights that
    lie flat get the same.
    """

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params
        sizes = [g.numel() for g in updates.values()]
        first = next(iter(updates.values()))
        draws = normal(_key(hyper["noise_seed"], step, first.device), sum(sizes)).split(sizes)
        sigma = (hyper["noise"] / counted(step) ** hyper["noise_decay"]) ** 0.5
        noisy = {}
        for (name, g), draw in zip(updates.items(), draws, strict=True):
            noisy[name] = g + draw.view(g.shape).to(g.dtype) * sigma
        return noisy, {}


def _key(seed: float | Tensor, step: Count, device: torch.device) -> Tensor:
    base = seed.long() if isinstance(seed, Tensor) else torch.tensor(int(seed), dtype=torch.int64, device=device)
    return fold(fold(base, 0x6E6F697365), step.long() if isinstance(step, Tensor) else step)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GradientNoise(Around):
    """Add noise to the gradient that dies down with the steps.

    g = g + N(0, noise / t^noise_decay),  t = 1 at the first step

    It can lead out of saddles and flat spots. Source: Neelakantan et al. 2015, equation 1 (eta, gamma), who take noise
    0.01, 0.3 or 1.0.

    >>> GradientNoise(rule="sgd").hyper()["noise_decay"]
    0.55
    """

    name: ClassVar[str] = "gradient-noise"
    rule: Rule
    noise: Annotated[float, Knob("variance at the first step", "[0, inf)", low=1e-4, high=1, log=True)] = 0.01
    noise_decay: Annotated[float, Knob("power of the step count that divides it", "[0, inf)", low=0.0, high=1.0)] = 0.55
    noise_seed: Annotated[int, Knob("number that fixes the draws", "[0, 9007199254740992]", low=0, high=100)] = 0

    def chain(self) -> tuple[Transformation, ...]:
        return (AddNoise(), *self.rule.chain())
