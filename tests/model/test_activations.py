"""Activations, each against torch's function."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from thalweg.core import UnknownName, UsageError
from thalweg.model import ACTIVATIONS, Maxout
from thalweg.model.activations import make_activation

ORACLES: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": F.relu,
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "prelu": lambda x: torch.where(x > 0, x, 0.25 * x),
    "elu": F.elu,
    "selu": F.selu,
    "gelu": lambda x: x * torch.special.ndtr(x),
    "silu": lambda x: x * torch.sigmoid(x),
    "softplus": lambda x: torch.log1p(x.exp()),
    "maxout": lambda x: torch.stack([x[:, 0::2], x[:, 1::2]]).amax(0),
    "identity": lambda x: x,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_is_its_formula(name: str) -> None:
    x = torch.linspace(-3, 3, 12).reshape(2, 6)
    assert torch.allclose(make_activation(name)(x), ORACLES[name](x), atol=1e-6)


def test_maxout_works_on_images_and_says_what_does_not_fit() -> None:
    assert Maxout(3)(torch.randn(2, 6, 4, 4)).shape == (2, 2, 4, 4)
    with pytest.raises(UsageError, match="needs a multiple of 2 features, got 5"):
        Maxout()(torch.randn(2, 5))
    with pytest.raises(UsageError, match="must be 1 or more"):
        Maxout(0)


def test_unknown_name() -> None:
    with pytest.raises(UnknownName, match="Unknown activation 'relu6': did you mean 'relu'"):
        make_activation("relu6")
