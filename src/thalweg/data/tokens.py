"""Text as a stream of characters, and windows on it.

Code 0 stands for every character that the vocabulary does not hold.
"""

import numpy as np
import torch
from torch import Tensor

UNKNOWN = "\ufffd"


def vocabulary_of(text: str) -> tuple[str, ...]:
    """Return the characters of a text in order, after the one for the unknown."""
    return (UNKNOWN, *sorted(set(text) - {UNKNOWN}))


def encode_text(text: str, vocabulary: tuple[str, ...]) -> Tensor:
    """Return the code of each character, (N,) int64."""
    points = _code_points(text)
    known = _code_points("".join(vocabulary[1:]))
    if not len(known):
        return torch.zeros(len(points), dtype=torch.int64)
    place = np.searchsorted(known, points).clip(max=len(known) - 1)
    return torch.from_numpy(np.where(known[place] == points, place + 1, 0).astype(np.int64))


def num_windows(num_tokens: int, *, window: int, stride: int) -> int:
    """Return how many windows fit, each with a next token for its last place."""
    return max(0, (num_tokens - window - 1) // stride + 1)


def windows(tokens: Tensor, *, window: int, stride: int) -> tuple[Tensor, Tensor]:
    """Return all windows (N, L) and, one token further, their targets (N, L)."""
    start = torch.arange(num_windows(len(tokens), window=window, stride=stride)) * stride
    place = start[:, None] + torch.arange(window)
    return tokens[place], tokens[place + 1]


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
