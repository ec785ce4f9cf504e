"""Which weights a start finds, what it knows of each, and what it refuses."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from thalweg.core import UsageError
from thalweg.init import INITS, LSUV, He, Normal, Xavier, Zeros, start
from thalweg.init.branches import branch_ends
from thalweg.init.weights import find_weights
from thalweg.model import build_seeded, recurrent, transformer


def rows(module, init=None, **options):
    return {row.name: row for row in start(module, init or Xavier(), seed=0, **options)}


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(5, 7),
        nn.Conv1d(3, 4, 5),
        nn.Conv2d(3, 4, (2, 5)),
        nn.Conv3d(3, 4, 3, stride=2, dilation=2),
        nn.Bilinear(3, 4, 5),
        nn.Embedding(9, 4),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_fans_are_torchs(layer):
    (row,) = rows(layer).values()
    assert (row.fan_in, row.fan_out) == nn.init._calculate_fan_in_and_fan_out(layer.weight)


def test_each_group_is_a_convolution_of_its_own():
    """torch's fan_out counts the channels of all groups, although an input goes to those of its own only."""
    layer = nn.Conv2d(6, 12, 3, groups=3)
    row = rows(layer, INITS["orthogonal"]())["weight"]
    assert (row.fan_in, row.fan_out) == (2 * 9, 4 * 9)
    for part in layer.weight.detach().flatten(1).chunk(3):
        torch.testing.assert_close(part @ part.T, torch.eye(4), atol=1e-5, rtol=0)
    assert len({tuple(part.flatten().tolist()) for part in layer.weight.detach().chunk(3)}) == 3


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_transposed_convolution_keeps_the_variance(stride, groups):
    layer = nn.ConvTranspose2d(32, 24, 4, stride=stride, groups=groups, bias=False)
    row = rows(layer, INITS["fan-in"]())["weight"]
    assert row.fan_in == 32 // groups * 16 // stride**2
    with torch.no_grad():
        inside = layer(torch.randn(16, 32, 12, 12, generator=torch.Generator().manual_seed(0)))[..., 4:-4, 4:-4]
    assert float(inside.var()) == pytest.approx(1, rel=0.15)


@pytest.mark.parametrize("gates", [1, 3, 4])
def test_each_gate_is_a_matrix_of_its_own(gates):
    layer = {1: nn.RNN, 3: nn.GRU, 4: nn.LSTM}[gates](6, 8, num_layers=2, bidirectional=True)
    found = rows(layer, INITS["orthogonal"]())
    assert len(found) == 8 and {row.fan_out for row in found.values()} == {8}
    for part in layer.weight_hh_l0_reverse.detach().split(8):
        torch.testing.assert_close(part @ part.T, torch.eye(8), atol=1e-5, rtol=0)
    assert len({tuple(part.flatten().tolist()) for part in layer.weight_hh_l0.detach().split(8)}) == gates


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_our_recurrent_layers_start_like_torchs(cell):
    module = build_seeded(recurrent(cell, width=8), (6, 4), 3, 0)
    rows(module, INITS["orthogonal"]())
    for part in module.layer1.weight_hh.detach().split(8):
        torch.testing.assert_close(part @ part.T, torch.eye(8), atol=1e-5, rtol=0)
    if cell == "lstm":
        assert torch.equal(module.layer1.bias_ih.detach()[8:16], torch.ones(8))


def test_projections_of_an_lstm_and_cells():
    found = rows(nn.LSTM(6, 8, proj_size=3))
    assert {name: row.fan_out for name, row in found.items()} == {
        "weight_ih_l0": 8, "weight_hh_l0": 8, "weight_hr_l0": 3,
    }  # fmt: skip
    assert {row.fan_out for row in rows(nn.LSTMCell(6, 8)).values()} == {8}


def test_attention_has_three_matrices_in_one():
    found = rows(nn.MultiheadAttention(8, 2))
    assert {name: row.fan_out for name, row in found.items()} == {"in_proj_weight": 8, "out_proj.weight": 8}
    found = rows(nn.MultiheadAttention(8, 2, kdim=4, vdim=6))
    assert {name: row.fan_in for name, row in found.items()} == {
        "q_proj_weight": 8, "k_proj_weight": 4, "v_proj_weight": 6, "out_proj.weight": 8,
    }  # fmt: skip


def test_tied_weights_are_started_once():
    module = nn.Sequential(nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 6))
    module[2].weight = module[0].weight
    assert list(rows(module)) == ["0.weight"]
    assert module[2].weight is module[0].weight


def test_frozen_weights_stay():
    module = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    module[0].requires_grad_(False)
    before = [param.clone() for param in module[0].parameters()]
    assert list(rows(module)) == ["1.weight"]
    assert all(torch.equal(*pair) for pair in zip(before, module[0].parameters(), strict=True))


def test_padding_stays_zero():
    layer = nn.Embedding(9, 4, padding_idx=3)
    rows(layer)
    assert not layer.weight[3].any() and layer.weight[[0, 1, 2, 4]].all()


def test_a_norm_over_two_axes_is_no_weight():
    module = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm((2, 6)), nn.Linear(6, 2))
    assert list(rows(module)) == ["0.weight", "2.weight"]
    assert torch.equal(module[1].weight, torch.ones(2, 6))


def test_weight_norm_gives_what_was_asked():
    plain = nn.Linear(6, 5)
    rows(plain)
    for normed in (parametrizations.weight_norm(nn.Linear(6, 5)), nn.Linear(6, 5)):
        if not hasattr(normed, "parametrizations"):
            from thalweg.norms import NORMS

            NORMS["weight"]().wrap(normed)
        row = rows(normed)["weight"]
        used = normed.normed_weight() if hasattr(normed, "normed_weight") else normed.weight
        torch.testing.assert_close(used, plain.weight)
        assert row.std_got == pytest.approx(float(plain.weight.detach().std(correction=0)))


def test_spectral_norm_catches_up():
    for normed in (parametrizations.spectral_norm(nn.Linear(6, 5)), nn.Linear(6, 5)):
        if not hasattr(normed, "parametrizations"):
            from thalweg.norms import NORMS

            NORMS["spectral"]().wrap(normed)
        rows(normed, Normal(std=3.0))
        normed.eval()
        used = normed.normed_weight() if hasattr(normed, "normed_weight") else normed.weight
        assert float(torch.linalg.matrix_norm(used.detach(), 2)) == pytest.approx(1, rel=0.05)


def test_lsuv_goes_through_weight_norm():
    module = nn.Sequential(parametrizations.weight_norm(nn.Linear(6, 50)), nn.ReLU(), nn.Linear(50, 3))
    x = 4 * torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    rows(module, LSUV(), batch=x)
    assert abs(float(module[0](x).detach().var()) - 1) < 0.1


def old_weight_norm(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize(
    ("make", "init", "said"),
    [
        (
            lambda: old_weight_norm(nn.Linear(3, 2)),
            He(),
            r"cannot fill 'weight_v', from which a hook computes 'weight'",
        ),
        (lambda: nn.utils.spectral_norm(nn.Linear(3, 2)), He(), r"cannot fill 'weight_orig', from which a hook"),
        (lambda: nn.LazyLinear(3), He(), r"cannot fill 'weight', which has no values yet; run a batch through first"),
        (lambda: nn.Linear(3, 2, device="meta"), He(), r"cannot fill 'weight', which has no values yet"),
        (lambda: parametrizations.weight_norm(nn.Linear(3, 2)), Zeros(), r"'weight': its normalisation makes NaN"),
    ],
    ids=["old weight norm", "old spectral norm", "lazy", "meta", "zeros under weight norm"],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_what_cannot_be_started_is_refused(make, init, said):
    module = make()
    with pytest.raises(UsageError, match=said):
        start(module, init, seed=0)


class Functional(nn.Module):
    """Call activations as functions, as methods and in place, and registers layers in another order."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 2)
        self.one, self.two, self.three, self.four = (nn.Linear(4, 4) for _ in range(4))
        self.gru = nn.GRUCell(4, 4)

    def forward(self, x):
        x = F.relu(self.one(x))
        x = F.leaky_relu_(self.two(x), 0.3)
        x = self.three(x).tanh()
        x = self.gru(x, x)
        return self.last(F.dropout(F.gelu(self.four(x)), 0.1))


def test_the_activation_that_follows():
    expected = {"one.weight": "relu", "two.weight": "leaky_relu", "three.weight": "tanh", "four.weight": "gelu"}
    expected |= {"last.weight": "identity", "gru.weight_ih": "identity", "gru.weight_hh": "identity"}
    module = Functional()
    found = rows(module, He(), batch=torch.randn(3, 4))
    assert {name: row.activation for name, row in found.items()} == expected
    assert found["two.weight"].std_asked == pytest.approx((2 / 1.09 / 4) ** 0.5)
    assert {row.activation for row in rows(module).values()} == {"identity"}  # modules alone do not tell


def test_without_a_batch_the_order_of_modules_tells():
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.PReLU(), nn.Linear(4, 4), nn.SiLU(), nn.Linear(4, 2))
    for batch in (None, torch.randn(8, 4)):
        found = rows(module, He(), batch=batch)
        assert [row.activation for row in found.values()] == ["prelu", "silu", "identity"]
        assert found["0.weight"].std_asked == pytest.approx((2 / (1 + 0.25**2) / 4) ** 0.5)


class Stage(nn.Module):
    """Add to a projection, in place, what two convolutions make of the same input."""

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(width, wider, 3, padding=1), nn.Conv2d(wider, wider, 3, padding=1)
        self.norm = nn.BatchNorm2d(wider)
        self.shortcut = nn.Conv2d(width, wider, 1) if wider != width else nn.Identity()

    def forward(self, x):
        way = self.norm(self.conv2(F.relu(self.conv1(x))))
        way += self.shortcut(x)
        return F.relu(way)


def ends(module, x):
    owners = dict.fromkeys(weight.owner for weight in find_weights(module))
    names = {layer: name for name, layer in module.named_modules()}
    return [names[layer] for layer in branch_ends(module, owners, x)]


def test_residual_branches_are_found():
    images = nn.Sequential(nn.Conv2d(3, 4, 3), Stage(4, 4), Stage(4, 6), nn.Flatten(), nn.LazyLinear(2))
    images(torch.randn(2, 3, 6, 6))
    assert ends(images, torch.randn(2, 3, 6, 6)) == ["1.conv2", "2.conv2"]
    ours = build_seeded(transformer(width=8, depth=2, vocabulary=5), (6,), 5, 0)
    assert ends(ours, torch.randint(5, (2, 6))) == [
        "blocks.0.attention.output", "blocks.0.contract", "blocks.1.attention.output", "blocks.1.contract",
    ]  # fmt: skip
    for mode in (True, False):
        torchs = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).train(mode)
        found = rows(torchs, INITS["depth-scaled"](around=He()), batch=torch.randn(2, 5, 8))
        plain = rows(torchs, He(), batch=torch.randn(2, 5, 8))
        smaller = {name for name in found if found[name].std_asked < 0.9 * plain[name].std_asked}
        assert smaller == {"self_attn.out_proj.weight", "linear2.weight"}


def test_no_branch_where_there_is_none(network):
    """Sums of gates, biases and positions are no residual branches."""
    module, x = network
    if not any("attention" in name for name, _ in module.named_modules()):
        assert ends(module, x) == []
