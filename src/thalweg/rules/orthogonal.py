"""Orthogonalising matrices without an SVD: R rows, C columns, R <= C, K matrices of one shape."""

import dataclasses
import math
from typing import ClassVar, Final, Literal, final

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, State, Transformation
from thalweg.rules.split import as_matrix

COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)
"""Of the quintic that lifts small singular values fastest (Jordan 2024); it leaves all of them between 0.7 and 1.2."""
ITERATIONS: Final = 5


def newton_schulz(x_KRC: Tensor, eps: float = 1e-7, *, bounded: bool = False) -> Tensor:
    """Return nearly U V^T of each matrix U S V^T, by five steps X = a X + (b A + c A A) X with A = X X^T.

    Takes one matrix (R, C), or K of them. Starts from X / (|X| + eps), `bounded` from X / max(|X|, eps). Computes in
    the precision of X, on CUDA in bfloat16 where X is float32.
    """
    a, b, c = COEFFICIENTS
    norm = torch.linalg.vector_norm(x_KRC, dim=(-2, -1), keepdim=True)
    x = x_KRC / (norm.clamp(min=eps) if bounded else norm + eps)
    if x.is_cuda and x.dtype == torch.float32:
        x = x.bfloat16()
    times, plus = (torch.mm, torch.addmm) if x.ndim == 2 else (torch.bmm, torch.baddbmm)
    for _ in range(ITERATIONS):
        gram = times(x, x.mT)
        x = plus(x, plus(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    found: Tensor = x.to(x_KRC.dtype)
    return found


@final
@dataclasses.dataclass(frozen=True)
class Orthogonalise(Transformation):
    """Make all singular values of each update nearly 1, times a scale that depends on its shape.

    "original" scales by sqrt(max(1, rows / columns)), "match_rms_adamw" by 0.2 * sqrt(max(rows, columns)), which is as
    long as AdamW's steps are late in training. Matrices of one shape, lying or standing, go through one call.
    """

    scale: Literal["original", "match_rms_adamw", "none"] = "original"
    eps: float = 1e-7
    bounded: bool = False

    flat: ClassVar[bool] = False

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params, hyper, step
        lying = {name: _lying(as_matrix(u)) for name, u in updates.items()}
        groups: dict[torch.Size, list[str]] = {}
        for name, matrix in lying.items():
            groups.setdefault(matrix.shape, []).append(name)
        found: Params = {}
        for names in groups.values():
            alone = len(names) == 1
            x = newton_schulz(
                lying[names[0]] if alone else torch.stack([lying[n] for n in names]), self.eps, bounded=self.bounded
            )
            if self.scale == "match_rms_adamw":
                x = x * (0.2 * math.sqrt(x.shape[-1]))  # lying, so that the columns are the longer side
            found.update({names[0]: x} if alone else zip(names, x.unbind(), strict=True))
        return {name: self._as_update(found[name], u) for name, u in updates.items()}, {}

    def _as_update(self, lying: Tensor, like: Tensor) -> Tensor:
        rows, columns = as_matrix(like).shape
        found: Tensor = (lying.mT if rows > columns else lying).reshape(like.shape)
        stretched = self.scale == "original" and rows > columns
        return found * math.sqrt(rows / columns) if stretched else found


def _lying(matrix: Tensor) -> Tensor:
    return matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
