"""Fields that are a number, or "auto" for what the place of a weight decides."""

import typing
from typing import Annotated, Any, Literal, TypeAlias

from thalweg.core import Knob, law
from thalweg.init.base import Spot
from thalweg.init.nonlinear import gain_of

Gain: TypeAlias = (
    Annotated[float, Knob("factor that makes up for the activation that follows", "(0, inf)", low=0.5, high=2.0)]
    | Literal["auto"]
)


def gain_at(gain: float | str, spot: Spot) -> float:
    """Return the gain asked for; "auto" takes that of the activation that follows."""
    return gain_of(spot.activation, spot.slope) if isinstance(gain, str) else gain


def check_auto(component: Any, field: str) -> None:
    """Raise `UsageError` unless the field holds "auto" or a number within the law of its knob."""
    value, call = getattr(component, field), f"{type(component).__name__}({field}=...)"
    if value == "auto":
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise law(call, "must be a number or 'auto'", value)
    hint = typing.get_type_hints(type(component), include_extras=True)[field]
    kinds = [kind for kind in typing.get_args(hint) if typing.get_origin(kind) is Annotated]
    knob = next(extra for kind in kinds for extra in kind.__metadata__ if isinstance(extra, Knob))
    if not knob.allows(value):
        raise law(call, f"must lie in {knob.law} or be 'auto'", value)
