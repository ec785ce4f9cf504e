"""Dense networks."""

import pytest
import torch
from torch import nn

from thalweg.core import UnknownName, UsageError, from_plain
from thalweg.model import MLP, MODELS, build_seeded, mlp
from thalweg.norms import GroupNorm


def test_the_number_of_parameters() -> None:
    module = build_seeded(mlp(64, 64), (64,), 10, 0)
    assert sum(param.numel() for param in module.parameters()) == 8970


def test_it_computes_what_its_layers_say() -> None:
    module = build_seeded(mlp(6, activation="tanh"), (5,), 3, 0)
    x = torch.randn(4, 5)
    first, last = module.linear1, module.output
    hidden = torch.tanh(x @ first.weight.T + first.bias)
    assert torch.allclose(module(x), hidden @ last.weight.T + last.bias)


@pytest.mark.parametrize(("place", "kinds"), [("before", ["norm1", "act1"]), ("after", ["act1", "norm1"])])
@pytest.mark.parametrize("norm", ["batch", "layer", "group(num_groups=2)", "batch-renorm"])
def test_norm_goes_where_it_was_asked_for(norm: str, place: str, kinds: list[str]) -> None:
    module = build_seeded(MLP(hidden=(6,), norm=norm, norm_place=place), (5,), 3, 0)
    assert [name for name, _ in module.named_children()] == ["linear1", *kinds, "output"]
    signals: list[torch.Tensor] = []
    module.output.register_forward_hook(lambda layer, args, output: signals.append(args[0]))
    module(torch.randn(64, 5))
    # Behind a ReLU nothing is negative; behind a norm the mean is zero.
    if place == "before":
        assert signals[0].min() >= 0
    else:
        assert signals[0].min() < 0
        assert signals[0].mean().abs() < 1e-5


def test_a_bias_that_batch_norm_takes_away_is_left_out() -> None:
    assert build_seeded(mlp(4, norm="batch"), (3,), 2, 0).linear1.bias is None
    assert build_seeded(MLP(hidden=(4,), norm="batch", norm_place="after"), (3,), 2, 0).linear1.bias is not None
    assert build_seeded(mlp(4, norm="batch-renorm"), (3,), 2, 0).linear1.bias is None
    for norm in ("none", "layer", "rms", "weight", "spectral"):
        assert build_seeded(mlp(4, norm=norm), (3,), 2, 0).linear1.bias is not None


@pytest.mark.parametrize("norm", ["weight", "spectral"])
def test_norms_of_weights_change_the_hidden_layers_alone(norm: str) -> None:
    module = build_seeded(mlp(6, 5, norm=norm), (4,), 3, 0)
    assert [name for name, _ in module.named_children()] == ["linear1", "act1", "linear2", "act2", "output"]
    changed = [name for name, layer in module.named_children() if hasattr(layer, "normed_weight")]
    assert changed == ["linear1", "linear2"]
    assert type(module.output) is nn.Linear
    plain = build_seeded(mlp(6, 5), (4,), 3, 0)
    same = torch.allclose(module(torch.ones(2, 4)), plain(torch.ones(2, 4)))
    assert same == (norm == "weight")  # which starts from the same function


@pytest.mark.parametrize(
    ("given", "norm"),
    [
        ("group", GroupNorm()),
        ("group(num_groups=2)", GroupNorm(num_groups=2)),
        ({"kind": "group", "num_groups": 2}, GroupNorm(num_groups=2)),
        (GroupNorm(num_groups=4), GroupNorm(num_groups=4)),
        ("none", None),
        (None, None),
    ],
)
def test_a_norm_is_given_by_name_with_numbers_or_as_it_is(given: object, norm: GroupNorm | None) -> None:
    assert MLP(norm=given).norm == mlp(norm=given).norm == norm  # type: ignore[arg-type]
    assert from_plain(MODELS, {"kind": "mlp", "norm": given}, "model") == MLP(norm=norm)


def test_groups_that_do_not_fit_a_layer_are_named() -> None:
    with pytest.raises(UsageError, match=r"must divide the 12 features of the layer into groups .*Use num_groups=6"):
        build_seeded(mlp(16, 12, norm="group"), (4,), 2, 0)
    with pytest.raises(UsageError, match="Use norm='layer' for dense layers"):
        build_seeded(mlp(16, norm="instance"), (4,), 2, 0)


def test_maxout_widths_are_those_behind_the_maximum() -> None:
    module = build_seeded(mlp(6, 4, activation="maxout", norm="batch"), (5,), 3, 0)
    assert module.linear1.out_features == 12
    assert module.linear2.in_features == 6
    assert module.norm1.num_features == 12
    after = build_seeded(MLP(hidden=(6,), activation="maxout", norm="batch", norm_place="after"), (5,), 3, 0)
    assert after.norm1.num_features == 6
    assert after(torch.randn(4, 5)).shape == (4, 3)


def test_no_dropout_layer_without_dropout() -> None:
    assert not any("dropout" in name for name, _ in build_seeded(mlp(4), (3,), 2, 0).named_modules())


def test_first_loss_is_near_that_of_guessing() -> None:
    torch.manual_seed(0)
    outputs = build_seeded(mlp(64, 64), (64,), 10, 0)(torch.randn(512, 64))
    loss = nn.functional.cross_entropy(outputs, torch.randint(10, (512,)))
    assert 2.2 < loss < 2.7


def test_mistakes_are_named() -> None:
    with pytest.raises(UnknownName, match="did you mean 'relu'"):
        mlp(4, activation="rleu")
    with pytest.raises(UnknownName, match="did you mean 'batch'"):
        MLP(norm="bach")
    with pytest.raises(UsageError, match=r"`MLP\(hidden=...\)` must be a tuple of whole numbers of at least 1"):
        mlp(64, 0)
    with pytest.raises(UsageError, match=r"`MLP\(dropout=...\)` must lie in \[0, 1\), got 1.0"):
        mlp(64, dropout=1.0)
