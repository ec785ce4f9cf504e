"""Dropout: its state is a buffer, and everything that moves buffers about moves its randomness along."""

import copy
import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from thalweg.core import UnknownName, UsageError
from thalweg.core.random import uniform
from thalweg.model import MLP, Dropout, build_seeded, convnet, mlp
from thalweg.model.dropout import Scaling


def dropout(p: float = 0.5, seed: int = 0, *, scaling: Scaling = "train") -> Dropout:
    torch.manual_seed(seed)
    return Dropout(p, scaling=scaling)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_expectation_is_the_input(p: float) -> None:
    outputs = dropout(p)(torch.ones(400, 500))
    assert outputs.mean().item() == pytest.approx(1, abs=0.03)
    assert (outputs == 0).float().mean().item() == pytest.approx(p, abs=0.01)
    assert set(outputs.unique().tolist()) == {0.0, torch.tensor(1 / (1 - p)).item()}


def test_the_same_key_gives_the_same_mask_and_the_next_another() -> None:
    layer = dropout()
    twin, x = copy.deepcopy(layer), torch.ones(64, 64)
    first = layer(x)
    assert torch.equal(first, twin(x))
    second = layer(x)
    assert not torch.equal(first, second)
    assert ((first == 0) == (second == 0)).float().mean().item() == pytest.approx(0.5, abs=0.05)


def test_two_layers_differ() -> None:
    torch.manual_seed(0)
    x = torch.ones(64, 64)
    assert not torch.equal(Dropout()(x), Dropout()(x))


def test_evaluation_and_zero_are_the_identity_and_cost_nothing() -> None:
    x = torch.randn(3, 4)
    for layer in (dropout().eval(), dropout(0)):
        key = layer.key.clone()
        assert layer(x) is x
        assert torch.equal(layer.key, key)


def test_state_dict_resumes_exactly() -> None:
    layer, x = dropout(), torch.ones(8, 8)
    layer(x)
    saved = {name: value.clone() for name, value in layer.state_dict().items()}
    assert saved["key"].dtype == torch.int64 and saved["key"].shape == ()
    expected = [layer(x) for _ in range(3)]
    resumed = dropout(seed=1)
    resumed.load_state_dict(saved)
    assert all(torch.equal(resumed(x), mask) for mask in expected)


def test_neither_reads_nor_moves_the_global_generator() -> None:
    layer = dropout()
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    layer(torch.ones(4))
    assert torch.equal(torch.rand(2), expected)


def test_functional_call_advances_the_key_it_is_given() -> None:
    layer, x = dropout(), torch.ones(8, 8)
    own, given = layer.key.clone(), torch.tensor(7)
    first = functional_call(layer, {"key": given}, (x,))
    assert torch.equal(layer.key, own) and given.item() != 7
    assert torch.equal(functional_call(layer, {"key": torch.tensor(7)}, (x,)), first)


def test_members_have_their_own_masks() -> None:
    layer, x = dropout(), torch.ones(3, 8, 8)
    keys = torch.tensor([1, 2, 1])
    alone = [functional_call(layer, {"key": key.clone()}, (x[0],)) for key in keys]
    together = vmap(lambda key, x: functional_call(layer, {"key": key}, (x,)))(keys, x)
    assert all(torch.equal(one, other) for one, other in zip(together, alone, strict=True))
    assert torch.equal(together[0], together[2]) and not torch.equal(together[0], together[1])
    assert keys[0] == keys[2] != 1


def test_a_recording_goes_on_with_the_key() -> None:
    layer, x = dropout(), torch.randn(8, 8)

    def forward(key: Tensor, x: Tensor) -> Tensor:
        result: Tensor = functional_call(layer, {"key": key}, (x,))
        return result

    recorded = make_fx(forward)(torch.tensor(5), torch.ones(8, 8))
    ours, theirs = torch.tensor(9), torch.tensor(9)
    for _ in range(2):
        assert torch.equal(recorded(ours, x), forward(theirs, x))
    assert torch.equal(ours, theirs)


def test_compiled_draws_the_same_masks() -> None:
    layer = nn.Sequential(nn.Linear(8, 8), dropout())
    twin, x = copy.deepcopy(layer), torch.randn(4, 8)
    compiled = torch.compile(twin, backend="aot_eager")
    for _ in range(2):
        assert torch.allclose(layer(x), compiled(x))
    assert torch.equal(layer.state_dict()["1.key"], twin.state_dict()["1.key"])


def test_gradient_goes_through_what_was_kept_and_nan_stays() -> None:
    layer, x = dropout(), torch.ones(64, requires_grad=True)
    outputs = layer(x)
    (grad,) = torch.autograd.grad(outputs.sum(), x)
    assert torch.equal(grad, outputs.detach())
    assert layer(torch.full((64,), torch.nan)).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_keeps_the_type(dtype: torch.dtype) -> None:
    assert dropout()(torch.ones(4, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_p_lies_in_its_range(p: float) -> None:
    with pytest.raises(UsageError, match=r"`Dropout\(p=...\)` must lie in \[0, 1\), got"):
        Dropout(p)


def test_the_default_is_the_formula_bit_for_bit() -> None:
    layer, x = dropout(0.3), torch.randn(50, 20)
    outputs = layer(x)
    kept = uniform(layer.key, x.numel()).view_as(x) >= 0.3
    assert torch.equal(outputs, x * kept.to(x.dtype).mul(1 / (1 - 0.3)))
    assert repr(layer) == "Dropout(p=0.3)" and list(layer.state_dict()) == ["key"]


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_both_scalings_draw_the_same_masks_and_differ_by_a_factor(p: float) -> None:
    x = torch.randn(50, 20)
    ours, notes = dropout(p), dropout(p, scaling="test")
    for _ in range(3):
        torch.testing.assert_close(notes(x), ours(x) * (1 - p))
    assert torch.equal(ours.key, notes.key)
    assert torch.equal(notes.eval()(x), x * (1 - p)) and ours.eval()(x) is x
    assert repr(notes) == f"Dropout(p={p}, scaling='test')"


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_a_linear_layer_evaluates_to_the_same_with_either_scaling(p: float) -> None:
    """The slides: W h in training with h silenced, (keep * W) h at test time; inverted dropout divides W by keep."""
    torch.manual_seed(1)
    h, linear = torch.randn(7, 20, dtype=torch.float64), nn.Linear(20, 5).double()
    scaled = copy.deepcopy(linear)
    with torch.no_grad():
        scaled.weight.mul_(1 - p)
    inverted = nn.Sequential(dropout(p), scaled)
    notes = nn.Sequential(dropout(p, scaling="test"), linear)
    torch.testing.assert_close(inverted(h), notes(h), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(inverted.eval()(h), notes.eval()(h), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scaling", ["train", "test"])
@pytest.mark.parametrize("p", [0.2, 0.7])
def test_the_mean_over_masks_is_the_evaluation(p: float, scaling: Scaling) -> None:
    """A linear layer behind dropout: its mean over masks is its value in evaluation, within five standard errors."""
    torch.manual_seed(2)
    draws, h, w = 20_000, torch.randn(12), torch.randn(12)
    layer = dropout(p, scaling=scaling)
    sums = layer(h.expand(draws, 12)).double() @ w.double()
    error = sums.std() / math.sqrt(draws)
    expected = layer.eval()(h).double() @ w.double()
    assert (sums.mean() - expected).abs() < 5 * error
    factor = 1 / (1 - p) if scaling == "train" else 1.0
    exact = factor * math.sqrt(p * (1 - p)) * float((h * w).norm()) / math.sqrt(draws)
    assert float(error) == pytest.approx(exact, rel=0.05)
    assert 20 * error < (h @ w).abs() * p


def test_nothing_silenced_is_the_identity_with_the_notes_scaling_too() -> None:
    x, layer = torch.randn(3, 4), dropout(0, scaling="test")
    assert layer(x) is x and layer.eval()(x) is x


def test_an_unknown_scaling_is_named() -> None:
    with pytest.raises(UnknownName, match=r"Dropout\(scaling=...\) 'tset': did you mean 'test'\?"):
        Dropout(0.5, scaling="tset")  # type: ignore[arg-type]


@pytest.mark.parametrize("scaling", ["train", "test"])
@pytest.mark.parametrize("training", [True, False])
def test_members_may_have_their_own_share(scaling: Scaling, training: bool) -> None:
    layer = dropout(0.5, scaling=scaling).train(training)
    shares, keys, x = torch.tensor([0.0, 0.1, 0.3, 0.9], dtype=torch.float64), torch.arange(4), torch.randn(4, 6, 8)

    def forward(key: Tensor, share: Tensor, x: Tensor) -> Tensor:
        result: Tensor = functional_call(layer, {"key": key, "share": share}, (x,))
        return result

    together = vmap(forward)(keys.clone(), shares, x)
    for member, share in enumerate(shares):
        one = dropout(float(share), scaling=scaling).train(training)
        alone = functional_call(one, {"key": keys[member].clone()}, (x[member],))
        assert torch.equal(together[member], alone)
    assert layer.share is None and together.dtype == torch.float32


def test_a_share_of_its_own_is_compiled_and_recorded() -> None:
    layer, x, share = dropout(0.5), torch.randn(8, 8), torch.tensor(0.25, dtype=torch.float64)

    def forward(key: Tensor, share: Tensor, x: Tensor) -> Tensor:
        result: Tensor = functional_call(layer, {"key": key, "share": share}, (x,))
        return result

    expected = forward(torch.tensor(5), share, x)
    recorded = make_fx(forward)(torch.tensor(1), torch.tensor(0.5, dtype=torch.float64), torch.ones(8, 8))
    assert torch.equal(recorded(torch.tensor(5), share, x), expected)
    assert torch.equal(torch.compile(forward, backend="aot_eager")(torch.tensor(5), share, x), expected)


@pytest.mark.parametrize("model", [mlp(8, dropout=0.25), convnet(4, dropout=0.25, hidden=8)], ids=["mlp", "convnet"])
def test_models_take_the_notes_scaling(model) -> None:
    """In evaluation only: the same weights, the kept share at each dropout layer."""
    shape = (4,) if isinstance(model, MLP) else (1, 8, 8)
    usual = build_seeded(model, shape, 3, 0).eval()
    notes = build_seeded(dataclasses.replace(model, dropout_scaling="test"), shape, 3, 0).eval()
    layers = [layer for layer in notes.modules() if isinstance(layer, Dropout)]
    assert layers and all(layer.scaling == "test" for layer in layers)
    x = torch.randn(5, *shape)
    bias = usual.output.bias
    torch.testing.assert_close(notes(x) - bias, 0.75 * (usual(x) - bias), rtol=1e-5, atol=1e-6)
