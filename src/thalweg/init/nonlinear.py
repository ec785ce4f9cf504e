"""Nonlinear functions: which one a module or a call is, how it changes a signal, and where it saturates."""

import dataclasses
import math
from typing import Any, Final

from torch import Tensor, nn


@dataclasses.dataclass(frozen=True, slots=True)
class Nonlinearity:
    """Name an activation, with its slope for negative inputs where it is a leaky one."""

    name: str
    slope: float = 0.0


IDENTITY: Final = Nonlinearity("identity")
_LEAKY = ("leaky_relu", "prelu", "rrelu")
_GAINS: Final[dict[str, float]] = {
    "identity": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 0.75,
    # what torch has no word for: 1 / sqrt(mean of f(z)²) for z from N(0, 1), which keeps the second moment
    "relu6": 1.4142, "elu": 1.2452, "celu": 1.2452, "gelu": 1.5335, "silu": 1.6765, "mish": 1.4868,
    "softplus": 1.0419, "hardtanh": 1.3920, "softsign": 2.3375, "hardswish": 1.7367, "hardsigmoid": 1.8978,
    "maxout": 1.0,
}  # fmt: skip
RANGES: Final[dict[str, tuple[float, float]]] = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
}
_MODULES: Final[dict[type[nn.Module], str]] = {
    nn.ReLU: "relu", nn.ReLU6: "relu6", nn.LeakyReLU: "leaky_relu", nn.PReLU: "prelu", nn.RReLU: "rrelu",
    nn.ELU: "elu", nn.CELU: "celu", nn.SELU: "selu", nn.GELU: "gelu", nn.SiLU: "silu", nn.Mish: "mish",
    nn.Softplus: "softplus", nn.Sigmoid: "sigmoid", nn.Hardsigmoid: "hardsigmoid", nn.Tanh: "tanh",
    nn.Hardtanh: "hardtanh", nn.Softsign: "softsign", nn.Hardswish: "hardswish",
}  # fmt: skip  # before its base, which Hardtanh is of ReLU6
_FUNCTIONS: Final = frozenset(_MODULES.values())
_SLOPES: Final = {"leaky_relu": 0.01, "prelu": 0.25, "rrelu": (1 / 8 + 1 / 3) / 2}


def gain_of(activation: str, slope: float = 0.0) -> float:
    """Return the factor for weights by which a signal goes through an activation and keeps its size.

    Source: torch.nn.init.calculate_gain for what it knows, SELU's 3/4 included; else 1 / sqrt(mean of f(z)²).

    >>> round(gain_of("leaky_relu", 0.2) ** 2, 4)
    1.9231
    """
    return math.sqrt(2 / (1 + slope**2)) if activation in _LEAKY else _GAINS.get(activation, 1.0)


def nonlinearity_of(module: nn.Module) -> Nonlinearity | None:
    """Recognise a module that is an activation; None for any other."""
    if type(module).__name__ == "Maxout":
        return Nonlinearity("maxout")
    name = next((name for kind, name in _MODULES.items() if isinstance(module, kind)), None)
    if name is None:
        return None
    return Nonlinearity(name, _slope(module, name) if name in _LEAKY else 0.0)


def nonlinearity_called(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Nonlinearity | None:
    """Recognise a call of torch's that is an activation, as a function, a method or in place."""
    name = getattr(function, "__name__", "").removesuffix("_")
    if name not in _FUNCTIONS:
        return None
    given = kwargs.get("negative_slope", args[1] if len(args) > 1 else None)
    slope = given if name == "leaky_relu" and isinstance(given, float | int) else _SLOPES.get(name, 0.0)
    return Nonlinearity(name, float(slope))


def _slope(module: nn.Module, name: str) -> float:
    weight, slope = getattr(module, "weight", None), getattr(module, "negative_slope", None)
    if isinstance(weight, Tensor):
        return float(weight.detach().float().mean())
    return float(slope) if isinstance(slope, float | int) else _SLOPES[name]
