"""SOAP: Adam in the eigenbasis of Shampoo's preconditioner."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, ClassVar, Final, TypeAlias, final

import torch
from torch import Tensor

from thalweg.core import Knob
from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Beta1, Beta2, Count, Epsilon, LearningRate, Rule, State, Transformation, WeightDecay
from thalweg.rules.chain import scaled_sum
from thalweg.rules.decay import AddDecay
from thalweg.rules.moments import correction, zeros_like
from thalweg.rules.rate import ByRate
from thalweg.rules.split import ByRole, as_matrix

LONGEST: Final = 4096
"""A side longer than this keeps its own axes: a basis of it would take more memory than the network."""

ShampooBeta = Annotated[float, Knob("share of the preconditioner kept at each step", "[0, 1)", low=0.8, high=0.999)]
Frequency = Annotated[
    int, Knob("steps from one basis to the next", "[1, inf)", low=1, high=100, log=True, unit="steps")
]
Sides: TypeAlias = tuple[str, ...]
_AXIS: Final = {"left": 0, "right": 1}
_SLOTS: Final = ("mean", "square", "left", "left_basis", "right", "right_basis")


@final
@dataclasses.dataclass(frozen=True)
class AdamInEigenbasis(Transformation):
    """Divide the average by the root of the average square, reckoned in the eigenbases of g g^T and g^T g: see `SOAP`.

    Without `rotated` the bases are the axes. Where a number is not finite the basis is the identity's, and NaN goes
    into the update.
    """

    rotated: bool = True
    skip_first: bool = False

    flat: ClassVar[bool] = False

    def init(self, params: Params) -> State:
        state: State = {"mean": zeros_like(params), "square": zeros_like(params)}
        for side, axis in _AXIS.items():
            sizes = {n: as_matrix(p).shape[axis] for n, p in params.items() if side in self._sides(p)}
            if sizes:
                state[side] = {n: params[n].new_zeros(size, size) for n, size in sizes.items()}
                state[f"{side}_basis"] = {n: _eye(params[n], size) for n, size in sizes.items()}
        return state

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params
        slots: State = {slot: dict(state[slot]) for slot in _SLOTS if slot in state}
        return {name: self._one(name, g, slots, hyper, step) for name, g in updates.items()}, slots

    def _one(self, name: str, g: Tensor, slots: State, hyper: Hyper, step: Count) -> Tensor:
        """Return one parameter's update and put its memory into `slots`."""
        sides, beta2 = self._sides(g), hyper["beta2"]
        x = as_matrix(g) if sides else g
        old_m, old_v = (slots[slot][name].view_as(x) for slot in ("mean", "square"))
        bases = [slots[f"{side}_basis"][name] for side in sides]
        m = _moved(old_m, x, hyper["beta1"])
        v = _moved(old_v, _turn(x, bases, sides).square(), beta2)
        u = _turn(m, bases, sides) / (v.sqrt() + hyper["eps"])
        u = _turn(u, [basis.mT for basis in bases], sides) * self._correction(hyper, step)
        if self.skip_first:
            u, m, v = (_choose(step == 0, *pair) for pair in ((x * 0, u), (old_m, m), (old_v, v)))
        for side in sides:
            v = self._renew(side, name, x, v, slots, hyper, step)
        if sides and not self.skip_first:
            bases = [slots[f"{side}_basis"][name] for side in sides]
            v = _where(step == 0, lambda: _turn(x, bases, sides) ** 2 * (1 - beta2), lambda: v)
        slots["mean"][name], slots["square"][name] = m.view_as(g), v.view_as(g)
        return u.view_as(g)

    def _renew(self, side: str, name: str, x: Tensor, v: Tensor, slots: State, hyper: Hyper, step: Count) -> Tensor:
        """Gather the gradient's covariance; find its basis at the first step, and follow it when it is time.

        Returns v with its axis sorted as the basis is.
        """
        outer = x @ x.mT if side == "left" else x.mT @ x
        matrix = slots[side][name] = _moved(slots[side][name], outer, hyper["shampoo_beta"])
        basis = slots[f"{side}_basis"][name]
        due = (step % hyper["frequency"] == 0) & (step > 0)
        if due is not False:
            power = _lifted(_finite(matrix)) @ basis
            order = (basis * power).sum(0).argsort(descending=True)
            v = _where(due, lambda: v[order] if side == "left" else v[:, order], lambda: v)
            basis = _where(due, lambda: torch.linalg.qr(power[:, order])[0], lambda: basis)
        slots[f"{side}_basis"][name] = _where(step == 0, lambda: _eigenbasis(matrix), lambda: basis)
        return v

    def _correction(self, hyper: Hyper, step: Count) -> float | Tensor:
        if self.skip_first:
            step = step - 1 if isinstance(step, Tensor) else max(step - 1, 0)
        return correction(hyper["beta2"], step) ** 0.5 / correction(hyper["beta1"], step)

    def _sides(self, tensor: Tensor) -> Sides:
        if not self.rotated:
            return ()
        return tuple(side for side, axis in _AXIS.items() if as_matrix(tensor).shape[axis] <= LONGEST)


def _turn(x: Tensor, bases: list[Tensor], sides: Sides) -> Tensor:
    """Return left^T x right; a side without a basis stays."""
    for basis, side in zip(bases, sides, strict=True):
        x = basis.mT @ x if side == "left" else x @ basis
    return x


def _moved(old: Tensor, new: Tensor, beta: float | Tensor) -> Tensor:
    return scaled_sum(new, 1 - beta, old * beta)


def _eigenbasis(matrix: Tensor) -> Tensor:
    lifted = _lifted(_finite(matrix), torch.linspace(1, 0, len(matrix), dtype=matrix.dtype, device=matrix.device))
    vectors: Tensor = torch.linalg.eigh(lifted)[1]
    return vectors.flip(1)  # the largest first, as a refreshed one has it


def _lifted(matrix: Tensor, by: float | Tensor = 1.0) -> Tensor:
    """Add a little to the diagonal, so that rounding does not choose the basis of what no gradient has reached yet."""
    little = torch.finfo(matrix.dtype).eps ** 0.5 * matrix.diagonal().mean()
    return matrix + torch.diag_embed((by * little).expand(len(matrix)))


def _finite(matrix: Tensor) -> Tensor:
    """Return the matrix, or the identity where a number is not finite, of which LAPACK would raise."""
    return torch.where(matrix.isfinite().all(), matrix, _eye(matrix, len(matrix)))


def _eye(like: Tensor, size: int) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)


def _choose(condition: bool | Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return _where(condition, lambda: yes, lambda: no)


def _where(condition: bool | Tensor, yes: Callable[[], Tensor], no: Callable[[], Tensor]) -> Tensor:
    """Return one of the two, reckoning only that one where the condition is Python's."""
    if isinstance(condition, Tensor):
        return torch.where(condition, yes(), no())
    return yes() if condition else no()


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SOAP(Rule):
    """Step as Adam does, in the eigenbasis of the gradients' covariance over rows and columns.

    L = shampoo_beta * L + (1 - shampoo_beta) * g g^T, R likewise with g^T g; QL, QR their eigenvectors
    m = beta1 * m + (1 - beta1) * g;  s = beta2 * s + (1 - beta2) * (QL^T g QR)²
    u = QL ((QL^T m QR) / (sqrt(s) + eps)) QR^T * sqrt(1 - beta2^t) / (1 - beta1^t)
    params = params - lr * (u + weight_decay * params)

    The first step is Adam's; its gradient gives QL and QR by an eigendecomposition, and every `frequency` steps one
    power iteration and a QR bring them up to date. Matrices and the head are turned, a side longer than 4096 not; the
    rest is Adam (eps beside the uncorrected root). `skip_first=True` leaves the first step out, as the authors' code
    does, which also decays after the step instead of beside it.

    Source: Vyas et al. 2024, algorithm 3.

    >>> SOAP().frequency
    10
    """

    name: ClassVar[str] = "soap"
    lr: LearningRate = 0.01
    beta1: Beta1 = 0.95
    beta2: Beta2 = 0.95
    shampoo_beta: ShampooBeta = 0.95
    eps: Epsilon = 1e-8
    frequency: Frequency = 10
    weight_decay: WeightDecay = 0.01
    skip_first: bool = False

    def chain(self) -> tuple[Transformation, ...]:
        turned, plain = AdamInEigenbasis(True, self.skip_first), AdamInEigenbasis(False, self.skip_first)
        return (ByRole(chosen=(turned,), others=(plain,), roles=("matrix", "head")), AddDecay(), ByRate())
