"""Second moments in factors: a row of means and a column of means instead of a square for each weight."""

import dataclasses
from typing import ClassVar, TypeAlias, final

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules.base import Count, State, Transformation
from thalweg.rules.scalars import Number, counted, greatest

Axes: TypeAlias = tuple[int, int]


@final
@dataclasses.dataclass(frozen=True)
class OverFactoredRoot(Transformation):
    """Divide by the root of the average square, which of a matrix is kept as row means R and column means C alone.

    R = (1 - w) R + w mean(g²), C likewise, w = t^beta2_decay;  u = g / sqrt(R C / mean(R)); vectors keep a square each

    eps1 is added to g²; with `bounded` it bounds instead: mean(R) by eps1 and the square by eps1², as torch does. The
    last two axes make the factors; `largest` takes the two largest ones, as optax does.

    Source: Shazeer and Stern 2018, algorithms 2 and 4.
    """

    bounded: bool = False
    largest: bool = False
    factored: bool = True

    flat: ClassVar[bool] = False

    def init(self, params: Params) -> State:
        axes = {name: found for name, param in params.items() if (found := self._axes(param))}
        rows = {n: params[n].new_zeros(_reduced(params[n].shape, last)) for n, (_, last) in axes.items()}
        columns = {n: params[n].new_zeros(_reduced(params[n].shape, first)) for n, (first, _) in axes.items()}
        square = {n: torch.zeros_like(p) for n, p in params.items() if n not in axes}
        return {slot: named for slot, named in (("rows", rows), ("columns", columns), ("square", square)) if named}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del params
        w = counted(step) ** hyper["beta2_decay"]
        slots: State = {slot: dict(state[slot]) for slot in ("rows", "columns", "square") if slot in state}
        scaled = {}
        for name, g in updates.items():
            axes, eps = self._axes(g), self._eps(hyper, g)
            squares = g * g if self.bounded else g * g + eps
            if not axes:
                square = slots["square"][name] = _moved(slots["square"][name], squares, w)
                scaled[name] = g * (self._bounded(square, eps) if self.bounded else square).rsqrt()
                continue
            rows = slots["rows"][name] = _moved(slots["rows"][name], squares.mean(axes[1], keepdim=True), w)
            columns = slots["columns"][name] = _moved(slots["columns"][name], squares.mean(axes[0], keepdim=True), w)
            mean = rows.mean(axes[0], keepdim=True)
            if self.bounded:
                scaled[name] = g * self._bounded(rows * columns / _at_least(mean, eps), eps).rsqrt()
            else:  # root by root: the product of two tiny numbers would be zero in float32
                scaled[name] = g * rows.rsqrt() * mean.sqrt() * columns.rsqrt()
        return scaled, slots

    def _axes(self, tensor: Tensor) -> Axes | None:
        if tensor.ndim < 2 or not self.factored:
            return None
        if not self.largest:
            return -2, -1
        order = sorted(range(tensor.ndim), key=lambda axis: (tensor.shape[axis], axis))
        return order[-2], order[-1]

    def _eps(self, hyper: Hyper, g: Tensor) -> Number:
        return hyper.get("eps1", torch.finfo(g.dtype).eps if self.bounded else 1e-30)

    def _bounded(self, square: Tensor, eps: Number) -> Tensor:
        return _at_least(square, greatest(eps * eps, torch.finfo(square.dtype).tiny))


@final
@dataclasses.dataclass(frozen=True)
class BoundRootMeanSquare(Transformation):
    """Shorten each update whose root mean square is above the threshold: u / max(1, rms(u) / clip_threshold)."""

    flat: ClassVar[bool] = False

    def init(self, params: Params) -> State:
        del params
        return {}

    def apply(self, updates: Params, state: State, params: Params, hyper: Hyper, step: Count) -> tuple[Params, State]:
        del state, params, step
        threshold = hyper["clip_threshold"]
        return {n: u / _at_least(root_mean_square(u) / threshold, 1.0).to(u.dtype) for n, u in updates.items()}, {}


def root_mean_square(x: Tensor) -> Tensor:
    """Return the root of the mean square of all numbers, shape ()."""
    found: Tensor = torch.linalg.vector_norm(x) / x.numel() ** 0.5
    return found


def _reduced(shape: torch.Size, axis: int) -> list[int]:
    sizes = list(shape)
    sizes[axis] = 1
    return sizes


def _moved(old: Tensor, new: Tensor, share: Number) -> Tensor:
    return old * (1 - share) + new * share


def _at_least(x: Tensor, low: Number) -> Tensor:
    return torch.maximum(x, low.to(x.dtype)) if isinstance(low, Tensor) else x.clamp(min=low)
