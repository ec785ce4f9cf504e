"""The functions between layers, by name: `ACTIVATIONS["gelu"]()` is a fresh module.

To add one: its line in `ACTIVATIONS` and, where a wrong start would matter, one in `start.py`.
"""

from collections.abc import Callable
from typing import Final

from torch import Tensor, nn

from thalweg.core import UnknownName
from thalweg.core.errors import law

NUM_PIECES: Final = 2


class Maxout(nn.Module):
    """Take the largest of every `num_pieces` neighbouring features: `num_pieces * H` of them become H.

    y[b, h] = max over j of x[b, h * num_pieces + j]

    Features lie on axis 1. Source: Goodfellow et al. 2013, equation 2.
    """

    def __init__(self, num_pieces: int = NUM_PIECES) -> None:
        super().__init__()
        if num_pieces < 1:
            raise law("Maxout(num_pieces=...)", "must be 1 or more", num_pieces)
        self.num_pieces = num_pieces

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] % self.num_pieces:
            raise law("Maxout", f"needs a multiple of {self.num_pieces} features", x.shape[1])
        groups: Tensor = x.unflatten(1, (-1, self.num_pieces))
        return groups.amax(2)

    def extra_repr(self) -> str:
        return f"num_pieces={self.num_pieces}"


ACTIVATIONS: Final[dict[str, Callable[[], nn.Module]]] = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "prelu": nn.PReLU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "maxout": Maxout,
    "identity": nn.Identity,
}


def check_activation(name: str) -> None:
    """Raise `UnknownName` unless there is an activation of this name."""
    if name not in ACTIVATIONS:
        raise UnknownName("activation", name, ACTIVATIONS)


def make_activation(name: str) -> nn.Module:
    """Make a fresh activation, or raise `UnknownName` with the nearest name."""
    check_activation(name)
    return ACTIVATIONS[name]()


def pieces(name: str) -> int:
    """Return how many features go into one: 2 for maxout, else 1."""
    return NUM_PIECES if name == "maxout" else 1
