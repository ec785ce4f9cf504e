"""What the transformations of a rule do with several parameters, found by trying them on a few numbers.

A rule says nothing of it, and need not: a transformation that looks at all parameters together (a norm of the whole
gradient, Prodigy's distance) gives one parameter another result when another's gradient changes.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from thalweg.core.types import Hyper, Params
from thalweg.rules import Rule, State, Transformation, follow

Chain: TypeAlias = tuple[Transformation, ...]
_STEPS = 3


@dataclasses.dataclass(frozen=True, slots=True)
class Nature:
    """Say of each transformation in a chain whether it is joint; and whether what follows the last joint one may be
    done piece by piece, with any numbers laid end to end.
    """

    joint: tuple[bool, ...]
    splits: bool

    @property
    def lead(self) -> int:
        """How many transformations stand before the part that treats each parameter by itself."""
        return max((place + 1 for place, joint in enumerate(self.joint) if joint), default=0)


@functools.lru_cache(maxsize=512)
def nature(rule: Rule) -> Nature:
    """Return the nature of a rule's chain; each rule is tried once."""
    chain, hyper = rule.chain(), rule.hyper()
    with torch.no_grad():
        joint = tuple(_is_joint(transformation, hyper) for transformation in chain)
        found = Nature(joint, False)
        return dataclasses.replace(found, splits=_splits(chain[found.lead :], hyper))


def _is_joint(transformation: Transformation, hyper: Hyper) -> bool:
    """Tell whether b's result moves with a's gradient, or with a's being there at all."""
    try:
        alone = _result_of_b(transformation, hyper, None)
        return any(
            not torch.allclose(x, y, rtol=1e-9, atol=1e-12, equal_nan=True)
            for scale in (1.0, 0.0, 1e30, 1e-30, torch.nan)
            for x, y in zip(alone, _result_of_b(transformation, hyper, scale), strict=True)
        )
    except (RuntimeError, ValueError, KeyError):  # it needs more than one parameter, or the Hessian of all of them
        return True


def _result_of_b(transformation: Transformation, hyper: Hyper, scale: float | None) -> list[Tensor]:
    """Return what comes out for b, and what is remembered of it and of the whole, with a's gradient so large."""
    draw = torch.Generator().manual_seed(0)
    params = {"b": torch.randn(2, 2, generator=draw, dtype=torch.float64)}
    grads = [{"b": torch.randn(2, 2, generator=draw, dtype=torch.float64)} for _ in range(_STEPS)]
    if scale is not None:
        params = {"a": torch.randn(2, 2, generator=draw, dtype=torch.float64), **params}
        grads = [{"a": torch.full((2, 2), scale, dtype=torch.float64), **grad} for grad in grads]
    state, seen = transformation.init(params), []
    for step, grad in enumerate(grads):
        updates, changed = transformation.apply(grad, state, params, hyper, step)
        state = {**state, **changed}
        seen.append(updates["b"])
    return seen + [tensor for content in state.values() for name, tensor in content.items() if name != "a"]


def _splits(chain: Chain, hyper: Hyper) -> bool:
    """Tell whether six numbers in one tensor fare as they do three by three."""
    if not all(transformation.flat for transformation in chain):
        return False
    draw = torch.Generator().manual_seed(0)
    param, *grads = (torch.randn(6, generator=draw, dtype=torch.float64) for _ in range(_STEPS + 1))
    try:
        whole = _walk(chain, param, grads, hyper)
        halves = [_walk(chain, param[part], [g[part] for g in grads], hyper) for part in (slice(3), slice(3, 6))]
    except (RuntimeError, ValueError, KeyError):
        return False
    return torch.allclose(whole, torch.cat(halves), rtol=1e-12, atol=0)


def _walk(chain: Chain, param: Tensor, grads: Sequence[Tensor], hyper: Hyper) -> Tensor:
    params: Params = {"x": param.clone()}
    state: State = {}
    for transformation in chain:
        state |= transformation.init(params)
    for step, grad in enumerate(grads):
        change, state = follow(chain, {"x": grad}, state, params, hyper, step)
        params = {"x": params["x"] + change["x"]}
    return params["x"]
