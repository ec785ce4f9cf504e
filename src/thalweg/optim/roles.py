"""What each parameter of a network is: matrix, embedding, head, norm, bias or single vector.

Weight decay, Muon, LARS and layer-wise rates treat parameters by their role, so it is found from the network and not
from a list that a user keeps: embeddings and norms by their layers, the head as the last layer with a matrix, biases by
name, the rest by shape.
"""

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Literal

from torch import Tensor, nn

from thalweg.core import UnknownName, UsageError
from thalweg.rules import ROLES, WEIGHTS, Place, Role

_NORMS = (
    nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.LocalResponseNorm, nn.RMSNorm,
)  # fmt: skip
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_WEIGHT_NAMES = ("weight", "weight_v", "weight_orig", "original", "original1")  # the later four are parametrised


def roles(module: nn.Module, num_outputs: int | None = None) -> dict[str, Role]:
    """Return the role of each parameter by its name, in the order of `named_parameters`; a shared one stands once.

    The head is the last dense layer, if it has `num_outputs` where that is known: a network whose outputs come from the
    embedding has none.

    >>> roles(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
    {'0.weight': 'matrix', '0.bias': 'bias', '2.weight': 'head', '2.bias': 'bias'}
    """
    found: dict[str, Role] = {}
    names = {id(param): name for name, param in reversed(list(module.named_parameters(remove_duplicate=False)))}
    last = ""
    for name, param, layer in _parameters(module):
        if names[id(param)] == name:
            found[name] = _role(name, param, layer)
            if found[name] == "matrix" and isinstance(layer, nn.Linear):
                last = name
    if last and num_outputs in (None, module.get_parameter(last).shape[0]):
        found[last] = "head"
    return found


def _parameters(module: nn.Module) -> Iterator[tuple[str, Tensor, nn.Module]]:
    """Yield every parameter with the layer that it belongs to; those of a parametrisation belong to its layer."""
    layers = dict(module.named_modules(remove_duplicate=False))
    for name, param in module.named_parameters(remove_duplicate=False):
        yield name, param, layers[layer_of(name)]


def layer_of(name: str) -> str:
    """Return the name of the layer that a parameter belongs to; "" where it is the network itself.

    >>> layer_of("block.linear.weight"), layer_of("linear.parametrizations.weight.original0"), layer_of("weight")
    ('block.linear', 'linear', '')
    """
    parts = name.split(".")[:-1]
    return ".".join(parts[: parts.index("parametrizations")] if "parametrizations" in parts else parts)


def _role(name: str, param: Tensor, layer: nn.Module) -> Role:
    last = name.rpartition(".")[2]
    has_axes = sum(size > 1 for size in param.shape) >= 2
    if isinstance(layer, _EMBEDDINGS) or (has_axes and not _has_weight(layer) and _is_a_table(last)):
        return "embedding"
    if isinstance(layer, _NORMS) or ("norm" in type(layer).__name__.lower() and not _has_weight(layer)):
        return "norm"
    if last.startswith("bias") or last.endswith("bias"):
        return "bias"
    return "matrix" if has_axes or _is_a_weight(last, param, layer) else "vector"


def _is_a_weight(name: str, param: Tensor, layer: nn.Module) -> bool:
    """Return whether it is what a layer multiplies with, though it has a single input or output and looks a vector."""
    known = _has_weight(layer) and name in _WEIGHT_NAMES
    return param.ndim >= 2 and (known or name.startswith(("weight_ih", "weight_hh")))


def _has_weight(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear | nn.modules.conv._ConvNd)


def _is_a_table(name: str) -> bool:
    return any(word.startswith(("pos", "embed", "token", "cls")) for word in name.lower().split("_"))


def layout(
    module: nn.Module,
    *,
    num_outputs: int | None = None,
    decay_on: Literal["weights", "all"] = "weights",
    layer_decay: float = 1.0,
) -> dict[str, Place]:
    """Return a place for each parameter that trains: its role, its share of the rate and of the decay.

    `decay_on` is "weights" (matrices, embeddings, head) or "all". `layer_decay` d gives a layer that lies k layers
    below the last the share d^k of the rate (Howard and Ruder 2018, section 3.2, with d = 1/2.6).
    """
    depths = depth_of(module)
    top = max(depths.values(), default=0)
    decays = ROLES if decay_on == "all" else WEIGHTS
    return {
        name: Place(role, lr=layer_decay ** (top - depths[name]), weight_decay=float(role in decays))
        for name, role in roles(module, num_outputs).items()
        if module.get_parameter(name).requires_grad
    }


def depth_of(module: nn.Module) -> dict[str, int]:
    """Return how many layers with weights lie before each parameter's own, in the order of the module."""
    layers: dict[str, int] = {}
    depths = {}
    for name, _ in module.named_parameters():
        depths[name] = layers.setdefault(layer_of(name), len(layers))
    return _norms_with_their_layer(module, depths)


def _norms_with_their_layer(module: nn.Module, depths: dict[str, int]) -> dict[str, int]:
    """Count a norm with the layer before it, so that depth counts layers with weights alone."""
    kinds = roles(module)
    matrices = {depth for name, depth in depths.items() if kinds[name] in WEIGHTS}
    rank = {}
    for depth in sorted(set(depths.values())):
        rank[depth] = max(sum(place <= depth for place in matrices) - 1, 0)
    return {name: rank[depth] for name, depth in depths.items()}


def matching(module: nn.Module, patterns: Sequence[str]) -> set[str]:
    """Return the names of parameters that fit a pattern: a name with * and ?, or the beginning of one up to a dot.

    Raises `UsageError` for a pattern that fits none.
    """
    names = [name for name, _ in module.named_parameters()]
    found: set[str] = set()
    for pattern in patterns:
        fitting = {n for n in names if fnmatch.fnmatchcase(n, pattern) or n.startswith(f"{pattern.rstrip('.')}.")}
        if not fitting:
            layers = sorted({name.rpartition(".")[0] for name in names})
            raise UnknownName("layer or parameter", pattern, [*layers, *names])
        found |= fitting
    if found == set(names) and patterns:
        raise UsageError(f"`freeze` {', '.join(patterns)!r} leaves nothing that trains; freeze fewer layers.")
    return found
