"""A number's meaning, unit, law and useful range, said once.

`lr: Annotated[float, Knob("length of a step", "(0, inf)", low=1e-5, high=1, log=True)]` gives validation, help,
search range, slider and documentation.
"""

import dataclasses
import typing
from typing import Annotated, Any

from thalweg.core.errors import law


@dataclasses.dataclass(frozen=True)
class Knob:
    """Describe a numeric field.

    `law` is the interval of legal values, written as in mathematics: "(0, inf)", "[0, 1)".
    `low` and `high` bound what is worth trying (search, sliders); `log` says that its scale is logarithmic.
    """

    meaning: str
    law: str = "(-inf, inf)"
    low: float | None = None
    high: float | None = None
    log: bool = False
    unit: str = ""

    def allows(self, value: float) -> bool:
        left, right = (float(end) for end in self.law[1:-1].split(","))
        above = value > left if self.law[0] == "(" else value >= left
        below = value < right if self.law[-1] == ")" else value <= right
        return above and below  # NaN is neither


def knobs(component: type) -> dict[str, Knob]:
    """Return the knob of every numeric field of a dataclass, in the order of the fields."""
    hints = typing.get_type_hints(component, include_extras=True)
    found: dict[str, Knob] = {}
    for field in dataclasses.fields(component):
        hint = hints[field.name]
        if typing.get_origin(hint) is Annotated:
            found.update((field.name, extra) for extra in hint.__metadata__ if isinstance(extra, Knob))
    return found


def check_knobs(component: Any) -> None:
    """Raise `UsageError` if a numeric field of a component breaks its law."""
    call = type(component).__name__
    hints = typing.get_type_hints(type(component))
    for field, knob in knobs(type(component)).items():
        value = getattr(component, field)
        kinds = typing.get_args(hints[field]) or (hints[field],)
        if value is None and type(None) in kinds:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise law(f"{call}({field}=...)", "must be a number", value)
        if float not in kinds and not isinstance(value, int):
            raise law(f"{call}({field}=...)", "must be a whole number", value)
        if not knob.allows(value):
            raise law(f"{call}({field}=...)", f"must lie in {knob.law}", value)
