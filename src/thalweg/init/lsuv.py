"""A start that looks at data: orthogonal, then unit variance layer by layer."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, final

import torch
from torch import Tensor, nn

from thalweg.core import Knob
from thalweg.init.base import Fitted, Run, Spot, Writer
from thalweg.init.orthogonal import draw_orthogonal


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LSUV(Fitted):
    """Draw orthogonal matrices, then divide each by the deviation of what its layer makes of a batch.

    while |var(y) - 1| >= tolerance:  W = W / sqrt(var(y)),  y = W * x + 0,  from the first layer to the last

    The layer that comes after sees what the changed one gives, so that one pass changes all; passes are repeated up to
    `max_passes` times, which only layers that are used more than once need. Recurrent weights, attention's packed
    projections and embeddings stay orthogonal.
    Source: Mishkin and Matas 2016, algorithm 1.

    >>> LSUV().needs_batch
    True
    """

    name: ClassVar[str] = "lsuv"
    tolerance: Annotated[float, Knob("how far a variance may lie from 1", "(0, 1)", low=0.01, high=0.2, log=True)] = 0.1
    max_passes: Annotated[int, Knob("passes at most", "[1, inf)", low=1, high=20)] = 10

    def deviation(self, spot: Spot) -> float:
        return math.nan

    def draw(self, spot: Spot, generator: torch.Generator) -> Tensor:
        return draw_orthogonal(spot.shape, generator)

    def fit(self, layers: Mapping[nn.Module, Writer], run: Run) -> None:
        for _ in range(self.max_passes):
            changed: set[nn.Module] = set()
            seen: set[nn.Module] = set()
            hooks = [layer.register_forward_hook(self._scale(layers, seen, changed)) for layer in layers]
            try:
                run()
            finally:
                for hook in hooks:
                    hook.remove()
            if not changed:
                break

    def _scale(
        self, layers: Mapping[nn.Module, Writer], seen: set[nn.Module], changed: set[nn.Module]
    ) -> Callable[[nn.Module, Any, Any], Tensor | None]:
        def at_output(layer: nn.Module, args: Any, output: Any) -> Tensor | None:
            if layer in seen or not isinstance(output, Tensor):
                return None  # what is used again is judged by its first use
            seen.add(layer)
            variance = float(output.float().var(correction=0))
            if not (math.isfinite(variance) and variance > 0) or abs(variance - 1) < self.tolerance:
                return None
            changed.add(layer)
            factor = 1 / math.sqrt(variance)
            layers[layer](lambda weight: weight * factor)
            return output * factor

        return at_output
