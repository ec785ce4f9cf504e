"""Newton's method, and Newton's method that leaves saddles: for networks of a few thousand weights."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob, UsageError, law
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, LearningRate, Rule, State, Transformation
from thalweg.rules.rate import ByRate

LARGEST = 5_000
"""Parameters; the Hessian of that many takes 200 MB in float64, and its eigenvalues a minute."""

Damping = Annotated[float, Knob("added to each curvature", "[0, inf)", low=1e-6, high=1.0, log=True)]


@final
@dataclasses.dataclass(frozen=True)
class OverHessian(Transformation):
    """Divide the gradient by the Hessian H: (H + damping I)^-1 g, or (|H| + damping I)^-1 g where `absolute`.

    |H| has H's eigenvectors and the absolute values of its eigenvalues. What is not finite becomes NaN.
    """

    rule: str
    absolute: bool = False

    flat: ClassVar[bool] = False

    def init(self, params: Params) -> State:
        count = sum(param.numel() for param in params.values())
        if count > LARGEST:
            wish, cure = f"is for at most {LARGEST:,} parameters", "Use another rule, adamw say, or a smaller network."
            raise law(f"{self.rule}()", wish, count, cure)
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params, step
        if "hessian" not in state:
            raise UsageError(f"`{self.rule}()` needs the Hessian; take its steps by `take_step`, which measures it.")
        g = torch.cat([update.reshape(-1) for update in updates.values()])
        solve = _solved_absolute if self.absolute else _solved
        parts = solve(state["hessian"]["all"].to(g.dtype), g, hyper["damping"]).split(
            [u.numel() for u in updates.values()]
        )
        return {name: part.view_as(u) for (name, u), part in zip(updates.items(), parts, strict=True)}, {}


def _solved(h: Tensor, g: Tensor, damping: float | Tensor) -> Tensor:
    eye = torch.eye(len(g), dtype=g.dtype, device=g.device)
    found, info = torch.linalg.solve_ex(h + eye * damping, g.unsqueeze(-1))
    return torch.where(info == 0, found.squeeze(-1), torch.nan)


def _solved_absolute(h: Tensor, g: Tensor, damping: float | Tensor) -> Tensor:
    eye = torch.eye(len(g), dtype=g.dtype, device=g.device)
    values, vectors = torch.linalg.eigh(torch.where(h.isfinite().all(), (h + h.mT) / 2, eye))  # NaN would raise
    found = vectors @ ((vectors.mT @ g) / (values.abs() + damping))
    return torch.where(h.isfinite().all(), found, torch.nan)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Newton(Rule):
    """Jump to where the gradient would vanish if the loss were a quadratic.

    params = params - lr * (H + damping * I)^-1 g, H the Hessian

    With lr=1 and damping=0 one step reaches the minimum of a quadratic; it goes to saddles and maxima just as gladly.
    For small networks: H has N² numbers. Source: Nocedal and Wright 2006, equation 3.30.

    >>> Newton().needs_hessian
    True
    """

    name: ClassVar[str] = "newton"
    needs_hessian: ClassVar[bool] = True
    lr: LearningRate = 1.0
    damping: Damping = 1e-3

    def chain(self) -> tuple[Transformation, ...]:
        return (OverHessian("Newton"), ByRate())


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SaddleFreeNewton(Rule):
    """Divide the gradient by the absolute curvature, direction by direction: away from a saddle and not to it.

    params = params - lr * (|H| + damping * I)^-1 g

    |H| is the Hessian with the absolute values of its eigenvalues. For small networks: all eigenvectors are found at
    each step, exactly and not in a Krylov space as in the paper. Source: Dauphin et al. 2014, algorithm 1.

    >>> SaddleFreeNewton().damping
    0.001
    """

    name: ClassVar[str] = "saddle-free-newton"
    needs_hessian: ClassVar[bool] = True
    lr: LearningRate = 1.0
    damping: Damping = 1e-3

    def chain(self) -> tuple[Transformation, ...]:
        return (OverHessian("SaddleFreeNewton", absolute=True), ByRate())
