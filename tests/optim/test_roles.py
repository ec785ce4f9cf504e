"""What each parameter is, in networks of ours and of other people's habits."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import thalweg as tw
from thalweg.core import UsageError
from thalweg.model import build_seeded
from thalweg.optim.roles import depth_of, layer_of, layout, matching, roles


def by_role(module: nn.Module, num_outputs: int | None = None) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, role in roles(module, num_outputs).items():
        found.setdefault(role, set()).add(name)
    return found


def biases(module: nn.Module) -> set[str]:
    return {name for name, _ in module.named_parameters() if name.endswith("bias")}


def test_dense_networks() -> None:
    module = build_seeded(tw.mlp(8, 8, norm="batch"), (4,), 3, 0)
    assert by_role(module, 3) == {
        "matrix": {"linear1.weight", "linear2.weight"},
        "head": {"output.weight"},
        "norm": {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"},
        "bias": {"output.bias"},
    }
    assert list(roles(module)) == [name for name, _ in module.named_parameters()]


@pytest.mark.parametrize("norm", ["layer", "group(num_groups=4)", "rms", "batch-renorm"])
def test_every_norm_is_one(norm: str) -> None:
    found = by_role(build_seeded(tw.mlp(8, norm=norm), (4,), 3, 0))
    assert {name.partition(".")[0] for name in found["norm"]} == {"norm1"} and found["matrix"] == {"linear1.weight"}


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_norms_of_weights_leave_matrices_matrices(norm: str) -> None:
    found = by_role(build_seeded(tw.mlp(8, norm=norm), (4,), 3, 0), 3)
    assert found["matrix"] == {"linear1.weight"} and found["head"] == {"output.weight"} and "norm" not in found
    assert found.get("vector", set()) == ({"linear1.magnitude"} if norm == "weight" else set())


def test_convolutional_networks() -> None:
    module = build_seeded(tw.convnet(4, 8, norm="batch"), (1, 8, 8), 10, 0)
    found = by_role(module, 10)
    assert {module.get_parameter(name).ndim for name in found["matrix"] - {"hidden.weight"}} == {4}
    assert found["head"] == {"output.weight"} and len(found["matrix"]) == 3 and len(found["norm"]) >= 4


def test_a_transformer_with_tied_weights_has_no_head() -> None:
    module = build_seeded(tw.transformer(width=16, depth=1, vocabulary=11), (6,), 11, 0)
    found = by_role(module, 11)
    assert "head" not in found and found["embedding"] == {"tokens.weight", "positions"}
    assert {name.rpartition(".")[0].rpartition(".")[2] for name in found["matrix"]} == {
        "qkv", "output", "expand", "contract",
    }  # fmt: skip
    assert len(found["norm"]) == 6


def test_a_transformer_that_classifies_has_one() -> None:
    module = build_seeded(tw.transformer(width=16, depth=1), (6, 3), 2, 0)
    found = by_role(module, 2)
    assert found["head"] == {"output.weight"} and found["embedding"] == {"positions"}
    assert "tokens.weight" in found["matrix"]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_recurrent_networks(cell: str) -> None:
    module = build_seeded(tw.recurrent(cell=cell, width=8, vocabulary=11), (6,), 2, 0)
    found = by_role(module, 2)
    assert found["matrix"] == {"layer1.weight_ih", "layer1.weight_hh"} and found["embedding"] == {"tokens.weight"}
    assert found["bias"] == {"layer1.bias_ih", "layer1.bias_hh", "output.bias"} and found["head"] == {"output.weight"}


def test_torchs_recurrent_layers() -> None:
    found = by_role(nn.Sequential(nn.LSTM(3, 4, num_layers=2), nn.Linear(4, 2)))
    assert found["matrix"] == {f"0.weight_{kind}_l{k}" for kind in ("ih", "hh") for k in (0, 1)}
    assert len(found["bias"]) == 5 and found["head"] == {"1.weight"}


def test_parametrised_weights() -> None:
    module = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), parametrizations.weight_norm(nn.Linear(5, 3)))
    assert by_role(module, 3) == {
        "matrix": {"0.weight"},
        "bias": {"0.bias", "2.bias"},
        "vector": {"2.parametrizations.weight.original0"},
        "head": {"2.parametrizations.weight.original1"},
    }
    turned = nn.Sequential(parametrizations.orthogonal(nn.Linear(4, 4)), nn.Linear(4, 2))
    assert by_role(turned)["matrix"] == {"0.parametrizations.weight.original"}
    alone = parametrizations.spectral_norm(nn.Linear(4, 2))
    assert by_role(alone) == {"head": {"parametrizations.weight.original"}, "bias": {"bias"}}


def test_attention_of_torch() -> None:
    module = nn.ModuleDict({"attention": nn.MultiheadAttention(8, 2, add_bias_kv=True), "out": nn.Linear(8, 2)})
    found = by_role(module)
    assert found["matrix"] == {"attention.in_proj_weight", "attention.out_proj.weight"}
    assert {"attention.in_proj_bias", "attention.bias_k", "attention.bias_v"} <= found["bias"]
    assert found["head"] == {"out.weight"}


class LlamaRMSNorm(nn.Module):
    """A norm as transformer libraries write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))


class NormalisedLinear(nn.Linear):
    """A dense layer whose class has a norm in its name."""


class ViT(nn.Module):
    """A vision transformer with the parameters that such have."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 8))
        self.pos_embed = nn.Parameter(torch.zeros(1, 5, 8))
        self.position_ids = nn.Parameter(torch.zeros(5, 8))
        self.patch_embed = nn.Conv2d(3, 8, 4)
        self.input_layernorm = LlamaRMSNorm(8)
        self.decomposed = nn.Parameter(torch.zeros(8, 8))
        self.project = NormalisedLinear(8, 8)
        self.layer_scale = nn.Parameter(torch.ones(8))
        self.temperature = nn.Parameter(torch.ones(()))
        self.classifier = nn.Linear(8, 4)


def test_habits_of_other_libraries() -> None:
    module = ViT()
    assert by_role(module, 4) == {
        "embedding": {"pos_embed", "position_ids"},
        "vector": {"cls_token", "layer_scale", "temperature"},
        "matrix": {"patch_embed.weight", "project.weight", "decomposed"},
        "norm": {"input_layernorm.weight"},
        "bias": biases(module),
        "head": {"classifier.weight"},
    }


class BasicBlock(nn.Module):
    """A residual block as torchvision writes it."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(narrow, wide, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.downsample = nn.Sequential(nn.Conv2d(narrow, wide, 1, bias=False), nn.BatchNorm2d(wide))


def test_residual_networks_of_torchvision() -> None:
    module = nn.Sequential()
    module.add_module("layer1", nn.Sequential(BasicBlock(8, 3), BasicBlock(8, 8)))
    module.add_module("fc", nn.Linear(8, 10))
    found = by_role(module, 10)
    assert len(found["matrix"]) == 6 and len(found["norm"]) == 12 and found["head"] == {"fc.weight"}
    assert "layer1.0.downsample.0.weight" in found["matrix"]


class Tied(nn.Module):
    """A language model whose head is its embedding, as Press and Wolf (2017) have it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.hidden = nn.Linear(8, 8)
        self.lm_head = nn.Linear(8, 11, bias=False)
        self.lm_head.weight = self.embed.weight


def test_a_shared_parameter_stands_once_by_its_first_name() -> None:
    module = Tied()
    assert roles(module, 11) == {"embed.weight": "embedding", "hidden.weight": "matrix", "hidden.bias": "bias"}
    assert list(layout(module, num_outputs=11)) == [name for name, _ in module.named_parameters()]


def test_a_layer_used_twice_stands_once() -> None:
    shared = nn.Linear(4, 4)
    module = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(4, 2))
    assert list(roles(module)) == ["0.weight", "0.bias", "3.weight", "3.bias"]
    assert depth_of(module) == {"0.weight": 0, "0.bias": 0, "3.weight": 1, "3.bias": 1}


def test_networks_of_one_layer_and_of_none() -> None:
    assert roles(nn.Linear(4, 2)) == {"weight": "head", "bias": "bias"}
    assert roles(nn.ReLU()) == {} and depth_of(nn.ReLU()) == {} and layout(nn.ReLU()) == {}


def test_single_inputs_and_outputs_do_not_make_a_weight_a_vector() -> None:
    """A network that predicts one number has a head that decays, one that reads one number a first matrix."""
    module = build_seeded(tw.mlp(8, norm="weight"), (1,), 1, 0)
    assert roles(module, 1) == {
        "linear1.weight": "matrix", "linear1.bias": "bias", "linear1.magnitude": "vector",
        "output.weight": "head", "output.bias": "bias",
    }  # fmt: skip
    assert roles(nn.Linear(4, 1)) == {"weight": "head", "bias": "bias"}
    polar = nn.Sequential(nn.Linear(1, 4), parametrizations.weight_norm(nn.Linear(4, 1)))
    assert by_role(polar) == {
        "matrix": {"0.weight"},
        "bias": {"0.bias", "1.bias"},
        "vector": {"1.parametrizations.weight.original0"},
        "head": {"1.parametrizations.weight.original1"},
    }
    assert roles(nn.GRU(1, 4))["weight_ih_l0"] == "matrix"
    assert roles(build_seeded(tw.recurrent(width=4), (6, 1), 1, 0), 1)["layer1.weight_ih"] == "matrix"


def test_layers_of_parameters() -> None:
    module = nn.ModuleDict({"parametrizations_of_old": nn.Linear(2, 2)})
    assert by_role(module)["head"] == {"parametrizations_of_old.weight"}
    assert layer_of("a.parametrizations.weight.0.base") == "a" and layer_of("weight") == ""


def test_depth_counts_layers_with_weights_and_norms_go_with_the_one_before() -> None:
    module = build_seeded(tw.mlp(6, 6, norm="batch"), (4,), 3, 0)
    assert depth_of(module) == {
        "linear1.weight": 0, "norm1.weight": 0, "norm1.bias": 0,
        "linear2.weight": 1, "norm2.weight": 1, "norm2.bias": 1,
        "output.weight": 2, "output.bias": 2,
    }  # fmt: skip
    first = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Linear(4, 2))
    assert depth_of(first)["0.weight"] == 0 and depth_of(first)["2.weight"] == 1
    polar = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2))
    assert set(depth_of(polar).values()) == {0, 1}


def test_places() -> None:
    module = build_seeded(tw.mlp(6, 6, norm="layer"), (4,), 3, 0)
    module.get_parameter("linear1.bias").requires_grad_(False)
    places = layout(module, num_outputs=3, layer_decay=0.5)
    assert "linear1.bias" not in places
    shares = {name: (place.lr, place.weight_decay) for name, place in places.items()}
    assert shares["linear1.weight"] == (0.25, 1.0) and shares["norm2.weight"] == (0.5, 0.0)
    assert shares["output.weight"] == (1.0, 1.0) and shares["output.bias"] == (1.0, 0.0)
    assert {place.weight_decay for place in layout(module, decay_on="all").values()} == {1.0}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("0", {"0.weight", "0.bias"}),
        ("0.", {"0.weight", "0.bias"}),
        ("*.bias", {"0.bias", "2.bias"}),
        ("0.w*", {"0.weight"}),
        ("[02].weight", {"0.weight", "2.weight"}),
        ("?.bias", {"0.bias", "2.bias"}),
    ],
)
def test_patterns(pattern: str, found: set[str]) -> None:
    assert matching(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), [pattern]) == found


@pytest.mark.parametrize("pattern", ["1", "0.weigh", "", "10", ".", "weight"])
def test_patterns_that_fit_nothing(pattern: str) -> None:
    with pytest.raises(UsageError, match="Unknown layer or parameter") as caught:
        matching(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)), [pattern])
    assert "\n" not in str(caught.value)


def test_no_pattern_freezes_nothing() -> None:
    assert matching(nn.Linear(2, 2), []) == set()
