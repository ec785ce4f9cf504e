"""A step through every model can be recorded, played on other data, and taken by many members at once."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from thalweg.model import CrossEntropy, Model, build_seeded, convnet, mlp, recurrent, transformer

LOSS = CrossEntropy()
CASES: dict[str, tuple[Model, tuple[int, ...], int]] = {
    "mlp with dropout": (mlp(6, 6, dropout=0.3), (5,), 3),
    "mlp with batch norm": (mlp(6, norm="batch"), (5,), 3),
    "mlp with batch renorm": (mlp(6, norm="batch-renorm(hold=0, ramp=1)"), (5,), 3),
    "mlp with group norm": (mlp(6, norm="group(num_groups=2)"), (5,), 3),
    "mlp with weight norm": (mlp(6, norm="weight"), (5,), 3),
    "mlp with spectral norm": (mlp(6, norm="spectral"), (5,), 3),
    "mlp with maxout": (mlp(6, activation="maxout", norm="layer"), (5,), 3),
    "convnet with batch norm": (convnet(3, 4, dropout=0.2, hidden=8), (6, 6), 3),
    "convnet with instance norm": (convnet(3, norm="instance", hidden=8), (6, 6), 3),
    "convnet with weight norm": (convnet(3, norm="weight", hidden=8), (6, 6), 3),
    "transformer with rms": (transformer(width=8, depth=1, norm="rms"), (4, 3), 3),
    "transformer of vectors": (transformer(width=8, depth=1), (4, 3), 3),
    "transformer of language": (transformer(width=8, depth=1, dropout=0.1, vocabulary=5), (4,), 5),
    "gru": (recurrent("gru", width=5), (4, 3), 3),
    "lstm of language": (recurrent("lstm", width=5, dropout=0.1, vocabulary=5), (4,), 5),
}


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> tuple[Model, tuple[int, ...], int]:
    found: tuple[Model, tuple[int, ...], int] = request.param
    return found


def batch(model: Model, shape: tuple[int, ...], num_outputs: int, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    if getattr(model, "vocabulary", None):
        tokens = torch.randint(num_outputs, (7, shape[0] + 1), generator=generator)
        return tokens[:, :-1], tokens[:, 1:]
    x = torch.randn(7, *shape, generator=generator)
    return x, torch.randint(num_outputs, (7,), generator=generator)


def step_of(module: nn.Module) -> Callable[..., tuple[Tensor, ...]]:
    """Return (*weights, *buffers, x, y) -> (loss, *gradients); buffers change in place."""
    names = [name for name, _ in module.named_parameters()]
    buffer_names = [name for name, _ in module.named_buffers()]

    def step(*tensors: Tensor) -> tuple[Tensor, ...]:
        weights = [w.detach().requires_grad_() for w in tensors[: len(names)]]
        state = dict(zip(names, weights, strict=True))
        state |= dict(zip(buffer_names, tensors[len(names) : -2], strict=True))
        loss = LOSS.total(functional_call(module, state, (tensors[-2],)), tensors[-1])
        return (loss.detach(), *torch.autograd.grad(loss, weights))

    return step


def state_of(module: nn.Module) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in (*module.parameters(), *module.buffers())]


def test_a_recording_plays_bit_for_bit(case: tuple[Model, tuple[int, ...], int]) -> None:
    module = build_seeded(*case, 0).train()
    step = step_of(module)
    recorded = make_fx(step)(*state_of(module), *batch(*case, 0))
    ours, theirs = state_of(module), state_of(module)
    for seed in (1, 2):
        played, taken = recorded(*ours, *batch(*case, seed)), step(*theirs, *batch(*case, seed))
        assert all(torch.equal(one, two) for one, two in zip(played, taken, strict=True))
        assert all(torch.equal(one, two) for one, two in zip(ours, theirs, strict=True))


def test_members_of_a_population_agree_with_the_loop(case: tuple[Model, tuple[int, ...], int]) -> None:
    modules = [build_seeded(*case, seed).train() for seed in range(3)]
    x, y = batch(*case, 0)
    params, buffers = torch.func.stack_module_state(modules)
    params = {name: param.detach() for name, param in params.items()}

    def loss(params: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        return LOSS.total(functional_call(modules[0], params | buffers, (x,)), y)

    grads, losses = vmap(grad_and_value(loss))(params, buffers)
    for member, module in enumerate(modules):
        state = state_of(module)
        expected, *expected_grads = step_of(module)(*state, x, y)
        assert torch.allclose(losses[member], expected, atol=1e-6)
        for grad, wanted in zip(grads.values(), expected_grads, strict=True):
            assert torch.allclose(grad[member], wanted, atol=1e-5)
        for buffer, wanted in zip(buffers.values(), state[len(params) :], strict=True):
            assert torch.allclose(buffer[member], wanted)


def test_derivatives_are_those_of_the_function(case: tuple[Model, tuple[int, ...], int]) -> None:
    module = build_seeded(*case, 0).double().eval()
    x, y = batch(*case, 0)
    x = x if x.dtype == torch.int64 else x.double()
    name, weight = next((name, param) for name, param in module.named_parameters() if param.ndim > 1)

    def loss(weight: Tensor) -> Tensor:
        return LOSS.total(functional_call(module, {name: weight}, (x,)), y)

    point = weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(loss, (point,), fast_mode=True)
    assert torch.autograd.gradgradcheck(loss, (point,), fast_mode=True)
