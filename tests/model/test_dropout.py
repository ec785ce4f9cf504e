"""Dropout: its state is a buffer, and everything that moves buffers about moves its randomness along."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from thalweg.core import UsageError
from thalweg.model import Dropout


def dropout(p: float = 0.5, seed: int = 0) -> Dropout:
    torch.manual_seed(seed)
    return Dropout(p)


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
    assert torch.equal(layer[1].key, twin[1].key)


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
