"""Recurrent networks, held against torch's own."""

import pytest
import torch
from torch import nn

from thalweg.core import UnknownName, UsageError
from thalweg.model import build_seeded, recurrent
from thalweg.model.recurrent import GRULayer, LSTMLayer, RecurrentLayer, RNNLayer

PAIRS = [(RNNLayer, nn.RNN), (GRULayer, nn.GRU), (LSTMLayer, nn.LSTM)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_same_weights_give_what_torch_gives(ours: type[RecurrentLayer], theirs: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    layer, oracle = ours(3, 5), theirs(3, 5, batch_first=True)
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(layer, name).data.copy_(getattr(oracle, f"{name}_l0"))
    x = torch.randn(4, 6, 3)
    assert torch.allclose(layer(x), oracle(x)[0], atol=1e-6)


@pytest.mark.parametrize(("layer", "_"), PAIRS)
def test_starts_orthogonal_with_an_open_memory(layer: type[RecurrentLayer], _: object) -> None:
    torch.manual_seed(0)
    made = layer(3, 5)
    for gate in made.weight_hh.split(5):
        assert torch.allclose(gate @ gate.T, torch.eye(5), atol=1e-6)
    expected = [5.0 if made.forget_gate == n else 0.0 for n in range(made.num_gates)]
    assert [bias.sum().item() for bias in made.bias_ih.split(5)] == expected
    assert not made.bias_hh.any()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_language_does_not_see_the_future(cell: str) -> None:
    module = build_seeded(recurrent(cell, width=8, depth=2, vocabulary=9), (6,), 9, 0)
    tokens = torch.randint(9, (3, 6))
    changed = torch.cat([tokens[:, :4], (tokens[:, 4:] + 1) % 9], 1)
    before, after = module(tokens), module(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4:], after[:, 4:])


def test_second_derivatives_exist() -> None:
    layer = GRULayer(2, 2).double()
    x = torch.randn(1, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer, (x,))


def test_a_norm_follows_each_layer() -> None:
    module = build_seeded(recurrent("gru", width=8, depth=2, norm="layer", dropout=0.1), (4, 3), 2, 0)
    names = [name for name, _ in module.named_children()]
    assert names == ["layer1", "norm1", "dropout1", "layer2", "norm2", "dropout2", "last", "output"]
    states = module.norm1(module.layer1(torch.randn(5, 4, 3)))
    assert states.mean(-1).abs().max() < 1e-5


@pytest.mark.parametrize("norm", ["batch", "group", "weight"])
def test_a_norm_that_cannot_read_positions_is_refused(norm: str) -> None:
    with pytest.raises(
        UsageError, match=r"`Recurrent\(norm=...\)` must read each position by itself.*Use layer or rms"
    ):
        recurrent(norm=norm)


def test_unknown_cell() -> None:
    with pytest.raises(UnknownName, match="did you mean 'gru'"):
        recurrent("grus")  # type: ignore[arg-type]
