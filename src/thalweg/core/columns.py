"""Text on a terminal: how wide it is, with Chinese counted at its width, and where its lines break."""

import re
import unicodedata
from collections.abc import Iterator

_OPEN, _CLOSE = "（《“", "，。；：、！？）》”"  # a line never ends with the ones, nor begins with the others
_WORDS = re.compile(rf"[{_OPEN}]*(?:[\u2e80-\uffef]|[^\s\u2e80-\uffef{_OPEN}{_CLOSE}]+)?[{_CLOSE}]*|\s+")


def width_of(text: str) -> int:
    """Count the columns of a text: two for a Chinese character, none for a combining mark."""
    return sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def wrap(text: str, width: int) -> list[str]:
    """Break a text into lines of at most `width` columns: at spaces, between Chinese letters, or by force."""
    lines, line = [], ""
    for piece in _pieces(text, width):
        if line and width_of(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def _pieces(text: str, width: int) -> Iterator[str]:
    for piece in _WORDS.findall(text):
        while width_of(piece) > width:
            kept = piece[: max(width // 2, 1)]
            while width_of(kept + piece[len(kept)]) <= width:
                kept += piece[len(kept)]
            yield kept
            piece = piece[len(kept) :]
        yield piece
