"""Every way of taking a step takes the same steps."""

import copy
import dataclasses

import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import UsageError
from thalweg.model import Built, CrossEntropy
from thalweg.rules import RULES, SGD, AdamW, Around, fit
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


def digits(model: object = None, **fields: object) -> Recipe:
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
    model = tw.mlp(3 if name.endswith("newton") else 8)
    first, second = (make_job(digits(model, rule=default(RULES[name]))) for _ in range(2))
    assert losses(first, first.stepper, 12) == losses(second, Direct(second.state, second.stepper.task), 12)


def assert_compiled_agrees(**fields: object) -> None:
    """Losses, rates, evaluations and weights are those of played steps, to rounding."""
    given = {"model": tw.mlp(8, dropout=0.2), "epochs": 2, "evaluate_every": 1} | fields
    small = dataclasses.replace(digits(**given), data=tw.open_source("iris"), batch_size=60)
    played, compiled = make_job(small), make_job(dataclasses.replace(small, compile=True))
    one, two = (list(advance(job)) for job in (played, compiled))
    rows, others = ([row for snapshot in taken for row in snapshot.rows] for taken in (one, two))
    assert len(rows) == played.num_steps and [row.lr for row in rows] == [row.lr for row in others]
    for column in ("loss", "grad_norm"):
        left, right = (torch.tensor([getattr(row, column) for row in found]) for found in (rows, others))
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)
    assert [move for s in one for move in s.moving] == [move for s in two for move in s.moving]
    ends = [taken[-1].evaluation["validation"]["loss"] for taken in (one, two)]
    assert ends[0] == pytest.approx(ends[1], rel=1e-4)
    for name, weight in played.state.weights().items():
        torch.testing.assert_close(weight, compiled.state.weights()[name], rtol=1e-3, atol=1e-5)


COMPILED = {
    "slots, averages, moving numbers, shares": {
        "rule": "adamw(lr=0.01)+ema(average_decay=0.9)", "penalties": ("l1(strength=1, step=proximal)",),
        "schedules": {"beta1": "linear(end=0.5)", "l1_strength": "cosine"}, "layer_decay": 0.5,
    },
    "coupled penalties": {
        "rule": "sgd(lr=0.1, momentum=0.9)", "penalties": ("l2(strength=1)",), "decay_on": "all",
        "schedules": {"momentum": "linear(end=0.5)"}, "model": tw.mlp(8, norm="batch"), "statistics": "precise",
    },
}  # fmt: skip


@pytest.mark.parametrize("fields", COMPILED.values(), ids=COMPILED)
def test_compiled_steps_agree_to_rounding(fields) -> None:
    assert_compiled_agrees(**fields)


ELEMENTWISE = sorted(name for name, kind in RULES.items() if fit(default(kind)).flat and name != "sam")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_elementwise_rule_is_compiled(name: str) -> None:
    assert_compiled_agrees(rule=default(RULES[name]))


UNCOMPILED = [
    ({"rule": "adamw+sam"}, "one gradient a step, got sam"),
    ({"rule": "newton"}, "element-wise rules, got newton"),
    ({"rule": "muon"}, "element-wise rules, got muon"),
    ({"rule": "soap+ema"}, "element-wise rules, got ema"),
    ({"unfreeze_every": 1}, "train as a whole, got frozen layers"),
    ({"constraint": "max-norm"}, "without a constraint, got max-norm"),
    ({"freeze": ("linear1",), "model": tw.mlp(8, 8)}, "networks that train as a whole"),
    ({"model": tw.mlp(600, 600)}, "up to 300,000 weights"),
    ({"model": Built(module=nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))}, "is for our own models"),
]


@pytest.mark.parametrize(("fields", "sentence"), UNCOMPILED)
def test_what_cannot_be_compiled_is_refused_in_a_sentence(fields, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        make_job(digits(**{"model": tw.mlp(8), "compile": True, **fields}))
    assert "\n" not in str(caught.value)
    make_job(digits(**{"model": tw.mlp(8), **fields}))


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
