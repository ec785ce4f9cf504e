"""A surface from a text: any function of x and y."""

import dataclasses
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.core import law
from thalweg.surface.base import Landmarks, Surface, as_point
from thalweg.surface.expression import read_formula


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Formula(Surface):
    """Be the function of x and y that a text describes.

    value = what `text` says, with + - * / ** ^, brackets, 2x for 2*x, pi, e, and the functions sin cos tan exp log sqrt
    abs tanh sigmoid relu sign min max; w1 and w2 are other names for x and y. The text is parsed, never run as code.

    >>> Formula(text="2x + y^2").value(torch.tensor(3.0), torch.tensor(4.0))
    tensor(22.)
    """

    name: ClassVar[str] = "formula"
    text: str
    x: tuple[float, float] = (-2.0, 2.0)
    y: tuple[float, float] = (-2.0, 2.0)
    start: tuple[float, float] = (1.0, 1.0)

    def check(self) -> None:
        if not isinstance(self.text, str):
            raise law("Formula(text=...)", "must be text", self.text)
        read_formula(self.text)
        for field in ("x", "y"):
            low, high = as_point(getattr(self, field), f"Formula({field}=...)")
            if not low < high:
                raise law(f"Formula({field}=...)", "must have the lower end first", (low, high))
        as_point(self.start, "Formula(start=...)")

    def value(self, x: Tensor, y: Tensor) -> Tensor:
        shape = torch.broadcast_shapes(x.shape, y.shape)
        node = read_formula(self.text)
        found = torch.full_like(x, node) if isinstance(node, float) else node(x, y)
        return found.expand(shape)

    def landmarks(self) -> Landmarks:
        return Landmarks(x=self.x, y=self.y, start=self.start)


def formula(
    text: str,
    *,
    x: tuple[float, float] = (-2.0, 2.0),
    y: tuple[float, float] = (-2.0, 2.0),
    start: tuple[float, float] = (1.0, 1.0),
) -> Formula:
    """Return the surface of a function of x and y given as text, seen over these ranges.

    >>> formula("(1-x*y)**2 + 0.1*sin(3*x)").name
    'formula'
    """
    return Formula(text=text, x=x, y=y, start=start)
