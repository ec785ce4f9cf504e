"""Cutting a formula into numbers, names and marks, each with its place; saying what is wrong with one, and where."""

import dataclasses
import re
from typing import Literal

from thalweg.core import UsageError

LONGEST = 1000
_PATTERN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<mark>\*\*|[-+*/^(),])"
)
_ALIKE = str.maketrans({"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "（": "(", "）": ")", "，": ","})
_SUPERSCRIPTS = {"²": "2", "³": "3"}
_SHOWN = 24  # letters on either side of a mistake


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    """Hold a piece of a formula and where it begins; `end` has the empty text."""

    kind: Literal["number", "name", "mark", "end"]
    text: str
    at: int


def tokens(text: str) -> list[Token]:
    """Return the pieces of a formula, the last of them an end. Signs of other keyboards (−, ×, ², π, （) are read too.

    >>> [token.text for token in tokens("2x² - π")]
    ['2', 'x', '**', '2', '-', 'pi', '']
    """
    if len(text) > LONGEST:
        raise UsageError(f"`formula(...)` must have at most {LONGEST} characters, got {len(text)}. Shorten it.")
    plain = text.translate(_ALIKE)
    found: list[Token] = []
    place = 0
    while place < len(plain):
        letter = plain[place]
        if letter.isspace():
            place += 1
        elif letter in _SUPERSCRIPTS:
            found += [Token("mark", "**", place), Token("number", _SUPERSCRIPTS[letter], place)]
            place += 1
        elif letter == "π":
            found.append(Token("name", "pi", place))
            place += 1
        elif match := _PATTERN.match(plain, place):
            found.append(Token(match.lastgroup, match[0], place))  # type: ignore[arg-type]  # one of the three groups
            place = match.end()
        else:
            cure = _cure_for(letter)
            raise wrong(text, place, f"has a {text[place]!r}, which means nothing there", cure)
    return [*found, Token("end", "", len(text.rstrip()))]


def wrong(text: str, at: int, law: str, cure: str) -> UsageError:
    """Build the one sentence for a mistake: the law, where, the formula with a mark before the mistake, the cure."""
    left, right = text[max(at - _SHOWN, 0) : at], text[at : at + _SHOWN]
    before, after = "…" if at > _SHOWN else "", "…" if at + _SHOWN < len(text) else ""
    return UsageError(f"`formula(...)` {law} at character {at + 1}: `{before}{left}▸{right}{after}`. {cure}")


def _cure_for(letter: str) -> str:
    if letter in "=<>!":
        return "Give one side only, the value itself: x**2, not z = x**2."
    if letter in "[]{}":
        return "Use round brackets."
    if letter in ".:;'\"&|%@~\\$#?":
        return "Write numbers, x, y, + - * / **, brackets and functions only."
    if letter.isalpha():
        return "The variables are x and y, or w1 and w2."
    return "Leave it out."
