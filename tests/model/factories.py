"""Factories as a user may write them, for test_custom.py."""

from torch import nn

shared = nn.Linear(2, 2)
constant = 3


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        return self.linear(x)


class Sized(nn.Linear):
    def __init__(self, input_shape: tuple[int, ...], num_outputs: int) -> None:
        super().__init__(input_shape[0], num_outputs)


def only_outputs(num_outputs: int, bias: bool = True) -> nn.Module:
    return nn.Linear(4, num_outputs, bias=bias)


def forgets_to_return() -> None:
    nn.Linear(4, 3)


def wants_more(width: int) -> nn.Module:
    return nn.Linear(width, 3)
