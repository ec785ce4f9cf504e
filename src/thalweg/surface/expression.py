"""Reading a formula of x and y: a small recursive descent that turns text into torch operations. Nothing is evaluated
as code.

    sum    := term {("+" | "-") term}
    term   := signed {("*" | "/") signed | power}        a power without a sign: 2x, 2(x + 1), (x + 1)(y - 1)
    signed := {"+" | "-"} power
    power  := atom [("**" | "^") signed]                 from the right: 2^3^2 is 2^9, -x^2 is -(x^2)
    atom   := NUMBER | NAME | NAME "(" sum {"," sum} ")" | "(" sum ")"
"""

import functools
import math
from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from torch import Tensor

from thalweg.core import UnknownName, UsageError
from thalweg.surface.tokens import Token, tokens, wrong

Node: TypeAlias = float | Callable[[Tensor, Tensor], Tensor]
"""A number, or a function of the two coordinates."""

DEEPEST, HIGHEST = 40, 100.0
"""Limits: brackets within brackets, and the size of a constant exponent."""
VARIABLES: Final = {"x": 0, "y": 1, "w1": 0, "w2": 1}
CONSTANTS: Final = {"pi": math.pi, "e": math.e}
FUNCTIONS: Final[dict[str, Callable[..., Tensor]]] = {
    "sin": torch.sin, "cos": torch.cos, "tan": torch.tan, "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt,
    "abs": torch.abs, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "sign": torch.sign,
    "min": torch.minimum, "max": torch.maximum,
}  # fmt: skip
"""`log` is the natural one; `min` and `max` take two or more values, the others one."""
_OF_MANY = ("min", "max")


@functools.lru_cache(maxsize=256)
def read_formula(text: str) -> Node:
    """Return what a formula means. Raises `UsageError` or `UnknownName` with the place and a cure.

    >>> from torch import tensor
    >>> read_formula("2x + y^2")(tensor(3.0), tensor(4.0))
    tensor(22.)
    """
    return _Reader(text).whole()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.place, self.depth = text, tokens(text), 0, 0

    @property
    def next(self) -> Token:
        return self.tokens[self.place]

    def take(self, *marks: str) -> str:
        """Take the next token and return its text if it is one of these marks, else return ""."""
        token = self.next
        if token.kind != "mark" or token.text not in marks:
            return ""
        self.place += 1
        return token.text

    def whole(self) -> Node:
        node = self.sum()
        if self.next.kind != "end":
            extra = self.next.text
            cure = "A ( is missing before, or this is one too many." if extra == ")" else "Put + - * / or ** before it."
            raise self.wrong(f"must end or go on with a sign, got {extra!r}", cure)
        return node

    def sum(self) -> Node:
        first = self.term()
        rest: list[tuple[Callable[..., Tensor], Node]] = []
        while sign := self.take("+", "-"):
            rest.append((torch.add if sign == "+" else torch.sub, self.term()))
        return _chain(first, rest)

    def term(self) -> Node:
        first, sign = self.signed(), ""
        rest: list[tuple[Callable[..., Tensor], Node]] = []
        while True:
            implied = self._implied(divided=sign == "/")
            if implied is None and not (sign := self.take("*", "/")):
                return _chain(first, rest)
            node = self.signed() if implied is None else implied
            rest.append((torch.div if sign == "/" and implied is None else torch.mul, node))

    def _implied(self, *, divided: bool) -> Node | None:
        """Return the factor that stands right behind a number or a bracket, as in 2x, 2(x + 1) and (x + 1)y."""
        before, token = self.tokens[self.place - 1], self.next
        starts = token.kind == "name" or (token.kind == "mark" and token.text == "(")
        if not starts or not (before.kind == "number" or before.text == ")"):
            return None
        if divided:
            raise self.wrong(f"must have a sign before {token.text!r}", "Write a/(b*c) or (a/b)*c, whichever is meant.")
        return self.power()

    def signed(self) -> Node:
        negative = False
        while sign := self.take("+", "-"):
            negative ^= sign == "-"
        node = self.power()
        return _apply(torch.neg, node) if negative else node

    def power(self) -> Node:
        base = self.atom()
        at = self.place
        if not self.take("**", "^"):
            return base
        exponent = self._deeper(self.signed)
        if isinstance(exponent, float) and not abs(exponent) <= HIGHEST:
            self.place = at + 1
            raise self.wrong(f"must have exponents from {-HIGHEST:g} to {HIGHEST:g}", "Use exp(...) for steep growth.")
        return _apply(torch.pow, base, exponent)

    def atom(self) -> Node:
        token = self.next
        if token.kind == "number":
            self.place += 1
            return float(token.text)
        if token.kind == "name":
            return self._named(token)
        if self.take("("):
            node = self._deeper(self.sum)
            self._close(token)
            return node
        got = "the end" if token.kind == "end" else repr(token.text)
        raise self.wrong(f"must have a value, got {got}", "Put x, y, a number, a function or a bracket there.")

    def _named(self, token: Token) -> Node:
        name, known = token.text, [*VARIABLES, *CONSTANTS, *FUNCTIONS]
        if name not in known:
            raise self._unknown(token, known)
        self.place += 1
        if name in FUNCTIONS:
            return self._call(token)
        if self.next.text == "(":
            raise self.wrong(f"must have a sign between {name!r} and '('", f"Write {name}*( ... ).")
        if name in CONSTANTS:
            return CONSTANTS[name]
        return _first if VARIABLES[name] == 0 else _second

    def _call(self, token: Token) -> Node:
        name, opening = token.text, self.next
        if not self.take("("):
            raise self.wrong(f"must have '(' behind {name}", f"Write {name}(x).")
        given = [self._deeper(self.sum)]
        while self.take(","):
            given.append(self._deeper(self.sum))
        self._close(opening)
        if name not in _OF_MANY and len(given) != 1:
            raise wrong(self.text, token.at, f"must give {name} one value, got {len(given)}", f"Write {name}(x).")
        if name in _OF_MANY and len(given) < 2:
            raise wrong(self.text, token.at, f"must give {name} two values or more, got 1", f"Write {name}(x, y).")
        function = functools.partial(_apply, FUNCTIONS[name])
        return functools.reduce(function, given) if name in _OF_MANY else function(given[0])

    def _close(self, opening: Token) -> None:
        if not self.take(")"):
            got = "the end" if self.next.kind == "end" else repr(self.next.text)
            raise self.wrong(f"must close the bracket of character {opening.at + 1}, got {got}", "Put ) there.")

    def _deeper(self, read: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.wrong(f"must not be nested more than {DEEPEST} deep", "Leave out brackets that change nothing.")
        node = read()
        self.depth -= 1
        return node

    def _unknown(self, token: Token, known: list[str]) -> UsageError:
        if token.text.lower() in known:
            return self.wrong(f"must have small letters in {token.text!r}", f"Write {token.text.lower()}.")
        letters = [letter for letter in token.text if letter in "xy"]
        if len(letters) == len(token.text):
            return self.wrong(f"must have a sign in {token.text!r}", f"Write {'*'.join(letters)}.")
        return UnknownName(f"name at character {token.at + 1} of `formula(...)`", token.text, known)

    def wrong(self, law: str, cure: str) -> UsageError:
        return wrong(self.text, self.next.at, law, cure)


def _first(x: Tensor, y: Tensor) -> Tensor:
    return x


def _second(x: Tensor, y: Tensor) -> Tensor:
    return y


def _chain(first: Node, rest: list[tuple[Callable[..., Tensor], Node]]) -> Node:
    """Join operations of one rank from left to right, in one function: a long sum is not nested."""
    if not rest:
        return first
    if isinstance(first, float) and isinstance(rest[0][1], float):
        return _chain(_apply(rest[0][0], first, rest[0][1]), rest[1:])

    def joined(x: Tensor, y: Tensor) -> Tensor:
        found = _operate(rest[0][0], _at(first, x, y), _at(rest[0][1], x, y))
        for operation, node in rest[1:]:
            found = _operate(operation, found, _at(node, x, y))
        return found

    return joined


def _apply(operation: Callable[..., Tensor], *nodes: Node) -> Node:
    """Return the operation on nodes: a number where all of them are numbers."""
    if all(isinstance(node, float) for node in nodes):
        return float(operation(*(torch.tensor(node, dtype=torch.float64) for node in nodes)))
    return lambda x, y: _operate(operation, *(_at(node, x, y) for node in nodes))


def _at(node: Node, x: Tensor, y: Tensor) -> Tensor | float:
    return node if isinstance(node, float) else node(x, y)


def _operate(operation: Callable[..., Tensor], *values: Tensor | float) -> Tensor:
    """Do an operation on tensors and numbers; a number takes the precision of the tensor beside it."""
    if operation is torch.pow and isinstance(values[0], Tensor) and isinstance(values[1], float):
        return torch.pow(values[0], values[1])  # quicker, and its second derivative exists at 0
    like = next(value for value in values if isinstance(value, Tensor))
    return operation(*(torch.full_like(like, v) if isinstance(v, float) else v for v in values))
