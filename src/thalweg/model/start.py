"""Where the weights of our own models start if a recipe names no init: what keeps a signal alive, by activation.

`thalweg.init` holds the starts that can be chosen; these draw from torch's generator while a model is built. He for
what cuts half of its input away, Xavier for what saturates, LeCun for SELU and maxout; biases 0. A normalisation or a
residual branch forgives much, a deep plain network nothing.
"""

import math

import torch
from torch import Tensor, nn

_XAVIER = ("tanh", "sigmoid", "identity")
_LECUN = ("selu", "maxout")  # the larger of two N(0, 1) has second moment 1
_NEGATIVE_SLOPE = {"leaky_relu": 0.01, "prelu": 0.25}


@torch.no_grad()
def start_hidden(layer: nn.Linear | nn.Conv2d, activation: str) -> None:
    """Start a layer that feeds an activation.

    Source: He et al. 2015, equation 14; Glorot and Bengio 2010, equation 16; Klambauer et al. 2017, section 2
    (SELU).
    """
    if activation in _XAVIER:
        nn.init.xavier_uniform_(layer.weight)
    elif activation in _LECUN:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    else:
        nn.init.kaiming_normal_(layer.weight, a=_NEGATIVE_SLOPE.get(activation, 0.0))
    _start_bias(layer)


@torch.no_grad()
def start_output(layer: nn.Linear) -> None:
    """Start the last layer at U(-1/sqrt(n), 1/sqrt(n)), so that the first predictions are mild."""
    bound = 1 / math.sqrt(layer.in_features)
    nn.init.uniform_(layer.weight, -bound, bound)
    _start_bias(layer)


@torch.no_grad()
def start_branch(layer: nn.Linear, num_branches: int) -> None:
    """Start the last layer of a residual branch: LeCun's variance over the number of branches.

    The sum of all branches then has the variance of one. Source: Radford et al. 2019, section 2.3.
    """
    nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
    layer.weight.div_(math.sqrt(num_branches))
    _start_bias(layer)


@torch.no_grad()
def start_recurrent(weight_ih: Tensor, weight_hh: Tensor) -> None:
    """Start the stacked gates of a recurrent layer: Xavier for the inputs, orthogonal for the state.

    Source: Saxe et al. 2014 (orthogonal).
    """
    width = weight_hh.shape[1]
    for gate in weight_ih.split(width):
        nn.init.xavier_uniform_(gate)
    for gate in weight_hh.split(width):
        nn.init.orthogonal_(gate)


@torch.no_grad()
def start_embedding(weight: Tensor) -> None:
    """Start token or position vectors at N(0, 0.02²), which keeps tied output logits near 0."""
    nn.init.normal_(weight, std=0.02)


def _start_bias(layer: nn.Linear | nn.Conv2d) -> None:
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
