"""Starts: signals hold through deep networks, going forward and coming back."""

import pytest
import torch

from thalweg.model import build_seeded, layer_table, mlp
from thalweg.model.losses import CrossEntropy


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "selu", "elu", "gelu", "maxout", "identity"])
def test_signals_hold_through_eight_layers(activation: str) -> None:
    module = build_seeded(mlp(*[128] * 8, activation=activation), (64,), 10, 0)
    torch.manual_seed(0)
    x, y = torch.randn(512, 64), torch.randint(10, (512,))
    rows = layer_table(module, x, targets=y, loss_fn=CrossEntropy().total)
    hidden = [row for row in rows if row.name.startswith("act")]
    lowest = 0.02 if activation == "gelu" else 0.2  # He's variance is a little small for GELU
    assert all(lowest < row.act_std < 5 for row in hidden)
    assert lowest < hidden[0].grad_norm / hidden[-1].grad_norm < 10


def test_biases_start_at_zero() -> None:
    for name, param in build_seeded(mlp(8, 8), (4,), 2, 0).named_parameters():
        assert name.endswith("weight") == bool(param.any())
