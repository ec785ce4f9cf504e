"""The look into the layers: what it says is right, and it leaves nothing behind."""

import copy
import math
import random

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from thalweg.model import (
    CrossEntropy,
    LayerRow,
    activation_signals,
    build_seeded,
    convnet,
    layer_table,
    mlp,
    recurrent,
    transformer,
)

LOSS = CrossEntropy().total
torch.manual_seed(0)
X, Y = torch.randn(32, 8), torch.randint(3, (32,))


class Restless(nn.Module):
    """Draws from every generator, replaces a buffer, changes another in place, calls one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.act = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.norm = nn.BatchNorm1d(8)
        self.output = nn.Linear(8, 3)
        self.register_buffer("replaced", torch.zeros(()))
        self.register_buffer("unsaved", torch.zeros(()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.replaced = self.replaced + 1
        self.unsaved.add_(1)
        x = self.act(self.norm(self.linear(x * random.random() * np.random.rand())))
        x = self.act(self.linear(self.dropout(x)))
        return self.output(x)


def look(module: nn.Module, x: Tensor = X, y: Tensor = Y) -> dict[str, LayerRow]:
    return {row.name: row for row in layer_table(module, x, targets=y, loss_fn=LOSS)}


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_left_behind(training: bool) -> None:
    module = Restless().train(training)
    module.dropout.train(not training)
    LOSS(module(X), Y).backward()
    before = copy.deepcopy(module)
    grads = [param.grad.clone() for param in module.parameters()]
    buffers = {name: id(buffer) for name, buffer in module.named_buffers()}
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    expected = torch.rand(1).item(), random.random(), np.random.rand()
    torch.manual_seed(3), random.seed(3), np.random.seed(3)
    look(module)
    activation_signals(module, dict(module.named_parameters()), dict(module.named_buffers()), X, Y, LOSS)
    assert (torch.rand(1).item(), random.random(), np.random.rand()) == expected
    for one, two, grad in zip(module.parameters(), before.parameters(), grads, strict=True):
        assert torch.equal(one, two) and torch.equal(one.grad, grad)
    for (name, one), two in zip(module.named_buffers(), before.buffers(), strict=True):
        assert torch.equal(one, two) and id(one) == buffers[name], name
    for one, two in zip(module.modules(), before.modules(), strict=True):
        assert one.training == two.training and not one._forward_hooks and not one._backward_hooks


def test_nothing_is_left_behind_after_an_error() -> None:
    module = mlp(4).build((5,), 3)
    with pytest.raises(RuntimeError):
        look(module)
    assert not any(layer._forward_hooks for layer in module.modules())


def test_rows_come_in_the_order_of_the_calls() -> None:
    rows = look(Restless())
    expected = ["linear", "norm", "act", "dropout", "linear#2", "act#2", "output"]
    assert list(rows) == expected
    assert sum(row.num_parameters for row in rows.values()) == sum(p.numel() for p in Restless().parameters())


@pytest.mark.parametrize("inplace", [False, True])
def test_numbers_are_right_also_before_an_in_place_activation(inplace: bool) -> None:
    torch.manual_seed(1)
    first, last = nn.Linear(8, 6), nn.Linear(6, 3)
    rows = look(nn.Sequential(first, nn.ReLU(inplace=inplace), last))
    z = first(X).detach().requires_grad_()
    a = z.relu()
    loss = LOSS(last(a), Y)
    dz, da = torch.autograd.grad(loss, (z, a), retain_graph=True)
    weights = torch.autograd.grad(LOSS(last(first(X).relu()), Y), list(first.parameters()))
    assert rows["0"].act_mean == pytest.approx(z.mean().item(), abs=1e-6)
    assert rows["0"].act_std == pytest.approx(z.std(correction=0).item())
    assert rows["0"].grad_norm == pytest.approx(dz.norm().item())
    assert rows["1"].grad_norm == pytest.approx(da.norm().item())
    assert rows["1"].grad_mean == pytest.approx(da.mean().item(), abs=1e-7)
    assert rows["1"].grad_std == pytest.approx(da.std(correction=0).item())
    assert rows["1"].zeros == pytest.approx((a == 0).float().mean().item())
    flat = torch.cat([weight.flatten() for weight in weights])
    assert rows["0"].weight_grad_norm == pytest.approx(flat.norm().item())
    assert rows["0"].weight_norm == pytest.approx(math.hypot(first.weight.norm().item(), first.bias.norm().item()))
    assert math.isnan(rows["1"].weight_norm)
    assert (rows["0"].kind, rows["0"].output_shape, rows["0"].num_parameters) == ("Linear", (32, 6), 54)


def test_an_in_place_activation_on_a_view() -> None:
    torch.manual_seed(1)
    parts = [nn.Linear(8, 6), nn.Unflatten(1, (2, 3)), nn.Flatten(), nn.ReLU(), nn.Linear(6, 3)]
    plain = look(nn.Sequential(*parts))
    parts[3] = nn.ReLU(inplace=True)
    assert look(nn.Sequential(*parts))["0"].grad_norm == pytest.approx(plain["0"].grad_norm)


def test_dead_units_are_counted() -> None:
    module = build_seeded(mlp(10), (8,), 3, 0)
    with torch.no_grad():
        module.linear1.bias[:4] = -100
    assert look(module)["act1"].dead == pytest.approx(0.4)
    images = build_seeded(convnet(10, norm="none"), (8, 8), 3, 0)
    with torch.no_grad():
        images.conv1.bias[:3] = -100
    rows = look(images, torch.randn(32, 8, 8))
    assert rows["act1"].dead == rows["pool1"].dead == pytest.approx(0.3)


@pytest.mark.parametrize(("activation", "share"), [("tanh", 0.5), ("sigmoid", 0.5), ("relu", None)])
def test_saturated_units_are_counted(activation: str, share: float | None) -> None:
    module = build_seeded(mlp(10, activation=activation), (8,), 3, 0)
    with torch.no_grad():
        module.linear1.bias[:5] = torch.tensor([100.0, -100, 100, -100, 100])
        module.linear1.weight.mul_(0.1)
    found = look(module)["act1"].saturated
    assert math.isnan(found) if share is None else found == pytest.approx(share)


def test_without_a_loss_only_the_way_forward_is_seen() -> None:
    rows = layer_table(build_seeded(mlp(4), (8,), 3, 0), X)
    assert [row.name for row in rows] == ["linear1", "act1", "output"]
    assert all(math.isnan(row.grad_norm) and math.isnan(row.weight_grad_norm) for row in rows)


def test_frozen_weights_and_odd_modules_are_looked_into() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(2, 5, batch_first=True)
            self.attention = nn.MultiheadAttention(5, 1, batch_first=True)
            self.scale = nn.Parameter(torch.ones(5))
            self.output = nn.utils.parametrizations.weight_norm(nn.Linear(5, 3))

        def forward(self, x: Tensor) -> Tensor:
            x, _ = self.lstm(x.unflatten(1, (4, 2)))
            x, _ = self.attention(x, x, x)
            return self.output((x * self.scale).mean(1))

    rows = look(Odd().requires_grad_(False))
    assert list(rows) == ["lstm", "attention", "output", "Odd"]
    assert rows["lstm"].output_shape == (32, 4, 5)
    assert all(row.grad_norm > 0 for row in rows.values())
    assert rows["output"].num_parameters == 21 and rows["Odd"].num_parameters == 5


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (build_seeded(transformer(width=8, vocabulary=5, dropout=0.1), (6,), 5, 0), torch.randint(5, (4, 6))),
        (build_seeded(recurrent("rnn", width=8, vocabulary=5), (6,), 5, 0), torch.randint(5, (4, 6))),
    ],
)
def test_signals_of_a_language_model(module: nn.Module, x: Tensor) -> None:
    params, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    saved = {name: buffer.clone() for name, buffer in buffers.items()}
    signals = activation_signals(module, params, buffers, x, x, LOSS)
    assert all(torch.equal(buffers[name], saved[name]) for name in saved)
    assert {"tokens"} < set(signals)
    for name, row in look(module, x, x).items():
        for signal, value in signals[name].items():
            assert value == pytest.approx(getattr(row, signal), nan_ok=True)
