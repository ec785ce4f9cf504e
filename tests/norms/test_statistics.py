"""Exact statistics at test time."""

import copy

import pytest
import torch
from torch import Tensor, nn

from thalweg.core import UsageError
from thalweg.model import build_seeded, convnet, mlp
from thalweg.model.dropout import Dropout
from thalweg.norms import NORMS, BatchRenorm, has_batch_statistics, precise_statistics


def images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 8, 8, generator=generator) * 3 + 2


def moved(module: nn.Module) -> nn.Module:
    """Let moving averages and keys be what they are after some training."""
    for seed in range(3):
        module.train()(images(9, seed=100 + seed) * 0.3)
    return module


@pytest.mark.parametrize("name", NORMS)
def test_who_has_them(name: str) -> None:
    module = build_seeded(convnet(8, norm=name), (8, 8), 3, 0)
    assert has_batch_statistics(module) == (name in ("batch", "batch-renorm"))
    assert has_batch_statistics(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    assert not has_batch_statistics(nn.BatchNorm1d(2, track_running_stats=False))
    assert not has_batch_statistics(nn.InstanceNorm2d(2, track_running_stats=True))


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(4), nn.BatchNorm1d(4, momentum=None), BatchRenorm().build(4, 0)])
def test_one_layer_gets_the_moments_of_all_examples(layer: nn.Module) -> None:
    x = torch.randn(23, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2.0, 5.0, 0.1]) + 10
    precise_statistics(layer, iter(x.split(5)))  # the last batch is smaller
    torch.testing.assert_close(layer.running_mean, x.mean(0))
    if isinstance(layer, nn.BatchNorm1d):
        torch.testing.assert_close(layer.running_var, x.var(0, correction=0))
    torch.testing.assert_close(layer.eval()(x).std(0, correction=0), torch.ones(4), rtol=1e-2, atol=0)


def test_a_large_mean_costs_no_digits() -> None:
    layer, x = nn.BatchNorm1d(1), torch.randn(1000, 1, generator=torch.Generator().manual_seed(0)) + 10_000
    precise_statistics(layer, x.split(64))
    torch.testing.assert_close(layer.running_var, x.double().var(0, correction=0).float(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("norm", ["batch", "batch-renorm"])
def test_one_batch_of_all_makes_the_test_equal_training(norm: str) -> None:
    module = moved(build_seeded(convnet(4, 6, norm=norm), (8, 8), 3, 0))
    x = images(30)
    trained = copy.deepcopy(module).train()(x)  # renorm still holds: it is batch norm
    assert not torch.allclose(module.eval()(x), trained, atol=0.1)
    precise_statistics(module, [x])
    torch.testing.assert_close(module.eval()(x), trained, rtol=1e-4, atol=1e-4)


def test_one_pass_joins_what_each_layer_reads_in_training() -> None:
    module = moved(build_seeded(mlp(6, 5, norm="batch"), (8, 8), 3, 0))
    batches = images(30).split(8)
    read: dict[str, list[Tensor]] = {"norm1": [], "norm2": []}
    plain = copy.deepcopy(module).train()
    for name, kept in read.items():
        plain.get_submodule(name).register_forward_pre_hook(
            lambda layer, args, kept=kept: kept.append(args[0].detach())
        )
    for x in batches:
        plain(x)
    precise_statistics(module, batches)
    for name, kept in read.items():
        inputs, layer = torch.cat(kept), module.get_submodule(name)
        torch.testing.assert_close(layer.running_mean, inputs.mean(0), rtol=1e-5, atol=1e-6)
        wanted = inputs.square().mean(0) - inputs.mean(0).square()
        torch.testing.assert_close(layer.running_var, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("broken", [False, True], ids=["done", "after an error"])
def test_everything_else_stays(broken: bool) -> None:
    layers = [nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4, momentum=0.3), nn.Dropout(0.5), Dropout(0.5)]
    module = moved(nn.Sequential(*layers, nn.Linear(4, 2)))
    module[1].eval()
    before, modes = copy.deepcopy(module.state_dict()), [part.training for part in module.modules()]
    noise = torch.get_rng_state()
    batches = [images(8), images(8, seed=1)] + ([torch.zeros(3, 5)] if broken else [])
    if broken:
        with pytest.raises(RuntimeError):
            precise_statistics(module, batches)
    else:
        precise_statistics(module, batches)
    changed = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == (set() if broken else {"2.running_mean", "2.running_var"})
    assert [part.training for part in module.modules()] == modes
    assert module[2].momentum == 0.3 and not module[2]._forward_pre_hooks
    assert torch.equal(torch.get_rng_state(), noise)


def test_dropout_is_off() -> None:
    dry, wet = (build_seeded(mlp(16, 16, norm="batch", dropout=p), (8, 8), 3, 0) for p in (0.0, 0.5))
    for module in (dry, wet):
        precise_statistics(module, images(40).split(10))
    torch.testing.assert_close(wet.eval()(images(5)), dry.eval()(images(5)))


def test_a_shared_layer_reads_all_its_calls_and_an_idle_one_keeps_what_it_has() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.idle = nn.BatchNorm1d(2), nn.BatchNorm1d(2)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x) + self.norm(x + 4)  # type: ignore[no-any-return]

    module, x = Twice(), torch.randn(10, 2)
    precise_statistics(module, [x])
    torch.testing.assert_close(module.norm.running_mean, x.mean(0) + 2)
    torch.testing.assert_close(module.norm.running_var, x.var(0, correction=0) + 4)
    assert torch.equal(module.idle.running_mean, torch.zeros(2))


def test_mistakes_are_named() -> None:
    module = build_seeded(mlp(4, norm="batch"), (8, 8), 3, 0)
    with pytest.raises(
        UsageError, match=r"`precise_statistics\(batches=...\)` needs one batch of inputs or more, got none"
    ):
        precise_statistics(module, [])
    with pytest.raises(UsageError, match="needs a batch of two examples or more"):
        precise_statistics(module, images(5).split(4))
    precise_statistics(build_seeded(mlp(4), (8, 8), 3, 0), [])  # nothing to do, nothing to complain about
