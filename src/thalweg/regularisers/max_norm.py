"""A bound on the length of each unit's incoming weights."""

import dataclasses
from typing import Annotated, ClassVar, final

import torch
from torch import Tensor

from thalweg.core import Knob, law
from thalweg.regularisers.base import Constraint, Number, in_the_precision_of


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MaxNorm(Constraint):
    """Shrink the incoming weights of each unit whose length is above a bound to that length.

    norm_u = sqrt(sum(w_u²));  w_u = w_u * min(max_norm / norm_u, 1)

    Units lie on axis 0, as in torch's linear layers, convolutions and embeddings (a filter is a unit, a token is one).
    What lies within the bound comes back bit for bit. NaN fills its unit and no other.

    Raises `UsageError` for a tensor of fewer than two axes: a bias has no incoming weights, and a flat buffer no units.
    Source: Srebro and Shraibman 2005; Hinton et al. 2012; Srivastava et al. 2014, section 5.1 (c from 3 to 4).

    >>> MaxNorm(max_norm=1.0).project(torch.tensor([[3.0, 4.0], [0.3, 0.4]]))
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """

    name: ClassVar[str] = "max-norm"
    max_norm: Annotated[
        float, Knob("largest length of a unit's incoming weights", "(0, inf)", low=0.5, high=8.0, log=True)
    ] = 3.0

    def project(self, w: Tensor, *, bound: Number | None = None) -> Tensor:
        if w.ndim < 2:
            cure = "Leave biases and norms out, and hand the matrices of a flat buffer over one by one."
            raise law("MaxNorm.project(w=...)", "must have two axes or more, units on the first", tuple(w.shape), cure)
        max_norm = in_the_precision_of(w, self.max_norm if bound is None else bound)
        norm: Tensor = torch.linalg.vector_norm(w, dim=tuple(range(1, w.ndim)), keepdim=True)
        return w * (max_norm / norm).clamp(max=1)
