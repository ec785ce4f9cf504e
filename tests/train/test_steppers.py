"""Every way of taking a step takes the same steps."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import UsageError
from thalweg.model import Built, CrossEntropy
from thalweg.rules import RULES, SGD, AdamW, Around
from thalweg.train import Recipe, advance, make_job, start_epoch
from thalweg.train.compiled import block_length
from thalweg.train.replay import record
from thalweg.train.state import begin
from thalweg.train.step import Block, Direct, Played, Task

NETWORKS = {
    "mlp-dropout": tw.mlp(16, 16, dropout=0.3),
    "mlp-batch-norm": tw.mlp(16, norm="batch"),
    "maxout": tw.mlp(8, activation="maxout"),
    "convnet": tw.convnet(4, 8),
}


def digits(model: object, **fields: object) -> Recipe:
    return Recipe(data=tw.open_source("digits"), model=model, device="cpu", threads=1, batch_size=50, **fields)  # type: ignore[arg-type]


def default(kind):
    """Return a rule with its defaults; one around another holds SGD with momentum."""
    held = {"rule": SGD(momentum=0.9)} if issubclass(kind, Around) else {}
    return kind(**held)


def losses(job, stepper, blocks: int) -> list[tuple[float, float]]:
    epoch = start_epoch(job, 0)
    return [stepper.take(epoch.block(k), [{"lr": 0.01}])[0] for k in range(blocks)]


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_played_steps_are_those_of_autograd_bit_for_bit(network) -> None:
    first, second = make_job(digits(network)), make_job(digits(network))
    assert isinstance(first.stepper, Played)
    blocks = first.steps_per_epoch  # the last batch has another size
    direct = Direct(second.state, second.stepper.task)
    assert losses(first, first.stepper, blocks) == losses(second, direct, blocks)
    for name, tensor in first.state.weights().items():
        assert torch.equal(tensor, second.state.weights()[name]), name


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_takes_the_same_steps_played_and_direct(name: str) -> None:
    """A rule that keeps the gradient itself, not a copy, fails here: a recording writes it anew at each step."""
    first, second = (make_job(digits(tw.mlp(8), rule=default(RULES[name]))) for _ in range(2))
    assert losses(first, first.stepper, 12) == losses(second, Direct(second.state, second.stepper.task), 12)


@pytest.mark.parametrize("rule", [SGD(lr=0.1, momentum=0.9), AdamW(lr=0.01)], ids=["sgd", "adamw"])
def test_compiled_steps_agree_to_rounding(rule) -> None:
    recipe = digits(tw.mlp(8, dropout=0.2), rule=rule, epochs=2)
    small = dataclasses.replace(recipe, data=tw.open_source("iris"))
    played, compiled = make_job(small), make_job(dataclasses.replace(small, compile=True))
    one = [row.loss for snapshot in advance(played) for row in snapshot.rows]
    two = [row.loss for snapshot in advance(compiled) for row in snapshot.rows]
    assert len(one) == played.num_steps
    torch.testing.assert_close(torch.tensor(two), torch.tensor(one), rtol=1e-4, atol=1e-6)


def test_block_length_needs_few_calls_and_short_compiling() -> None:
    assert [block_length(n) for n in (1, 2, 5, 7, 20, 22, 43)] == [1, 2, 5, 4, 5, 6, 6]


@pytest.mark.parametrize("windows", [2, 3, 7])
def test_windows_equal_the_whole_batch(windows: int) -> None:
    """Also where the batch does not divide: parts count by their examples."""
    taken = []
    for parts in (1, windows):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
        state = begin(module, SGD(lr=0.1))
        direct = Direct(state, Task(loss=CrossEntropy(), rule=SGD(lr=0.1), windows=parts))
        x, y = torch.randn(10, 6, dtype=torch.float64), torch.arange(10) % 3
        for _ in range(5):
            ((loss, norm),) = direct.take(Block(x, y, (10,)), [{"lr": 0.1}])
        taken.append((loss, norm, state.params["flat"].clone()))
    assert taken[0][0] == pytest.approx(taken[1][0], rel=1e-13)
    torch.testing.assert_close(taken[0][2], taken[1][2], rtol=1e-13, atol=1e-15)


def test_large_networks_take_fused_steps_that_equal_the_chain() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(600, 600), nn.ReLU(), nn.Linear(600, 3))
    large, plain = copy.deepcopy(module), copy.deepcopy(module)
    rule = AdamW(lr=0.01, weight_decay=0.1)
    fused = Direct(begin(large, rule), Task(loss=CrossEntropy(), rule=rule))
    assert fused._fused is not None and "flat" not in fused.state.params
    chain = Direct(begin(plain, rule), Task(loss=CrossEntropy(), rule=rule))
    chain._fused = None
    x, y = torch.randn(20, 600), torch.arange(20) % 3
    for _ in range(10):
        assert fused.take(Block(x, y, (20,)), [{"lr": 0.01}])[0][1] == pytest.approx(
            chain.take(Block(x, y, (20,)), [{"lr": 0.01}])[0][1], rel=1e-4
        )
    torch.testing.assert_close(large.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-6)


def test_weights_that_do_not_train_or_matter_stay() -> None:
    torch.manual_seed(0)
    module = nn.ModuleDict({"used": nn.Linear(4, 3), "idle": nn.Linear(4, 3), "frozen": nn.Linear(4, 3)})
    module["frozen"].requires_grad_(False)
    module.forward = lambda x: module["used"](x) + module["frozen"](x)  # type: ignore[method-assign]
    before = copy.deepcopy(module.state_dict())
    direct = Direct(begin(module, SGD(lr=0.1)), Task(loss=CrossEntropy(), rule=SGD(lr=0.1)))
    direct.take(Block(torch.randn(5, 4), torch.arange(5) % 3, (5,)), [{"lr": 0.1}])
    changed = {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {"used.weight", "used.bias"}


def test_nothing_to_train_is_refused() -> None:
    module = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(UsageError, match="no parameters that train"):
        begin(module, SGD())


def test_a_loss_that_is_cut_off_is_refused() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x).detach()

    job = make_job(Recipe(data=tw.open_source("iris"), model=Built(module=Cut()), device="cpu", threads=1))
    with pytest.raises(UsageError, match="does not depend on any weight"):
        next(iter(advance(job)))


def test_record_plays_on_other_tensors_and_reads_fixed_ones_anew() -> None:
    weight = torch.randn(3, 2)
    play = record(lambda w, x: torch.cat([(x @ w.t()).reshape(-1), w.sum(0)]), [torch.randn(4, 2)], fixed=[weight])
    for _ in range(2):
        weight.mul_(2.0)
        x = torch.randn(4, 2)
        torch.testing.assert_close(play(x), torch.cat([(x @ weight.t()).reshape(-1), weight.sum(0)]), rtol=0, atol=0)


def test_bfloat16_trains_close_to_float32() -> None:
    ends = []
    for precision in ("float32", "bfloat16"):
        job = make_job(digits(tw.mlp(32), precision=precision, epochs=4, stop=None))
        assert isinstance(job.stepper, Direct if precision == "bfloat16" else Played)
        *_, last = (row for snapshot in advance(job) for row in snapshot.rows)
        assert all(weight.dtype == torch.float32 for weight in job.state.trainable.values())
        ends.append(last.loss)
    assert ends[0] != ends[1] and ends[1] == pytest.approx(ends[0], rel=0.3, abs=0.05)
