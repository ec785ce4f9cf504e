"""Who trains, and at what share of the rate: layer-wise rates, frozen layers, layers that thaw one after the other."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import UsageError
from thalweg.model import Built, CrossEntropy
from thalweg.optim import layout
from thalweg.rules import SGD, AdamW, Rule
from thalweg.train import Block, Direct, Task, advance, begin, make_job, start
from thalweg.train.parameters import parameter_table

Weights = dict[str, torch.Tensor]


def weights(job: Any) -> Weights:
    return {name: weight.detach().clone() for name, weight in job.state.module.named_parameters()}


def moved(before: Weights, after: Weights) -> set[str]:
    return {name for name, weight in before.items() if not torch.equal(weight, after[name])}


DEEP = tw.mlp(6, 6, 6)
LAYERED = (
    "sgd(lr=0.1)", "adam(lr=0.01)", "muon", "soap", "lamb", "lars", "prodigy", "adafactor", "schedule-free-sgd",
    "lion", "sgd(lr=0.1)+clip-norm+ema",
)  # fmt: skip
THAWED = (
    "sgd(lr=0.1, momentum=0.9, weight_decay=0.1)", "adamw", "muon", "lamb", "schedule-free-adamw", "prodigy",
    "adamw+sam+ema", "adamw+lookahead",
)  # fmt: skip
RATES = {"linear1": 0.125, "linear2": 0.25, "linear3": 0.5, "output": 1.0}


@pytest.mark.parametrize("rule", LAYERED)
@pytest.mark.parametrize("limit", [300_000, 0], ids=["flat", "apart"])
def test_layer_wise_rates_scale_each_first_step(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, rule: str, limit: int
) -> None:
    """What a parameter moves in the first step is its layer's share of what it moves without."""
    monkeypatch.setattr("thalweg.train.state.FLAT_LIMIT", limit)
    monkeypatch.setattr("thalweg.train.making.FLAT_LIMIT", limit)
    steps = []
    for decay in (1.0, 0.5):
        job = make_job(make(model=DEEP, rule=rule, layer_decay=decay, schedule="constant"))
        before = weights(job)
        next(iter(advance(job)))
        steps.append({name: weight - before[name] for name, weight in weights(job).items()})
    for name, change in steps[0].items():
        share = RATES[name.partition(".")[0]]
        torch.testing.assert_close(steps[1][name], change * share, rtol=1e-3, atol=1e-7)
        assert change.abs().max() > 0


@pytest.mark.parametrize("rule", [AdamW(lr=0.01, weight_decay=0.5), SGD(lr=0.1, momentum=0.9, weight_decay=0.01)])
def test_torch_kernels_treat_groups_as_the_chain_does(rule: Rule) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(600, 600), nn.LayerNorm(600), nn.ReLU(), nn.Linear(600, 3))
    places = layout(module, layer_decay=0.5)
    assert {place.lr for place in places.values()} == {0.5, 1.0}
    large, plain = copy.deepcopy(module), copy.deepcopy(module)
    fused = Direct(begin(large, rule, layout=places), Task(loss=CrossEntropy(), rule=rule))
    chain = Direct(begin(plain, rule, layout=places), Task(loss=CrossEntropy(), rule=rule))
    assert fused._fused is not None
    chain._fused = None
    x, y = torch.randn(20, 600), torch.arange(20) % 3
    for _ in range(6):
        for stepper in (fused, chain):
            stepper.take(Block(x, y, (20,)), [{"lr": rule.lr}])
    torch.testing.assert_close(large.state_dict(), plain.state_dict(), rtol=1e-3, atol=1e-5)
    even = copy.deepcopy(module)
    all_alike = Direct(begin(even, rule), Task(loss=CrossEntropy(), rule=rule))
    for _ in range(6):
        all_alike.take(Block(x, y, (20,)), [{"lr": rule.lr}])
    assert not torch.allclose(even[0].weight, plain[0].weight, atol=1e-4)


FREEZES: list[tuple[tuple[str, ...], set[str]]] = [
    (("linear1",), {"linear1.weight", "linear1.bias"}),
    (("linear1.",), {"linear1.weight", "linear1.bias"}),
    (("*.bias",), {"linear1.bias", "linear2.bias", "linear3.bias", "output.bias"}),
    (("linear?.weight",), {"linear1.weight", "linear2.weight", "linear3.weight"}),
    (("linear1", "output.bias"), {"linear1.weight", "linear1.bias", "output.bias"}),
]  # fmt: skip


@pytest.mark.parametrize("rule", ["adamw", "soap+ema", "sgd+sam", "newton(damping=1)"])
@pytest.mark.parametrize(("freeze", "still"), FREEZES, ids=lambda value: ",".join(sorted(value)))
def test_what_is_frozen_keeps_its_bits_and_the_rest_moves(
    make: Callable[..., Any], freeze: tuple[str, ...], still: set[str], rule: str
) -> None:
    job = make_job(make(model=DEEP, rule=rule, freeze=freeze, epochs=1))
    before = weights(job)
    for _ in advance(job):
        pass
    assert moved(before, weights(job)) == set(before) - still
    assert {row.name for row in parameter_table(job) if not row.trains} == still


@pytest.mark.parametrize(
    ("freeze", "sentence"),
    [
        (("linear9",), "Unknown layer or parameter 'linear9': did you mean 'linear"),
        (("linear",), "did you mean"),
        (("lin*", "output"), "leaves nothing that trains"),
        (("*",), "leaves nothing that trains"),
        (("",), "Unknown layer or parameter"),
    ],
)
def test_freezing_what_is_not_there_or_all_is_refused(
    make: Callable[..., Any], freeze: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        make_job(make(model=DEEP, freeze=freeze))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rule", THAWED)
def test_layers_thaw_one_after_the_other_from_the_head_down(make: Callable[..., Any], rule: str) -> None:
    job = make_job(make(model=DEEP, rule=rule, unfreeze_every=2, epochs=7, stop=None))
    before, thawed = weights(job), []
    for snapshot in advance(job):
        if snapshot.rows[-1].step % job.steps_per_epoch == job.steps_per_epoch - 1:
            after = weights(job)
            thawed.append({name.partition(".")[0] for name in moved(before, after)})
            before = after
    order = ["output", "linear3", "linear2", "linear1"]
    assert thawed == [set(order[: 1 + epoch // 2]) for epoch in range(7)]


def test_thawing_goes_with_layer_wise_rates_and_frozen_layers(make: Callable[..., Any]) -> None:
    job = make_job(make(model=DEEP, rule="sgd(lr=0.1)", unfreeze_every=1, freeze=("linear2",), epochs=5, stop=None))
    before = weights(job)
    for _ in advance(job):
        pass
    assert {name.partition(".")[0] for name in moved(before, weights(job))} == {"output", "linear3", "linear1"}


def test_a_large_network_thaws_too(make: Callable[..., Any]) -> None:
    """Torch's kernels are told of the new groups."""
    job = make_job(make(model=tw.mlp(600, 520), rule="adamw", unfreeze_every=1, epochs=2, stop=None))
    assert not job.state.is_flat
    before = weights(job)
    for snapshot in advance(job):
        if snapshot.rows[-1].step == job.steps_per_epoch - 1:
            assert moved(before, weights(job)) == {"output.weight", "output.bias"}
    assert {name.partition(".")[0] for name in moved(before, weights(job))} == {"output", "linear2"}


def test_decay_reaches_weights_alone_and_is_said(make: Callable[..., Any], tmp_path: Path) -> None:
    """With a gradient of zero nothing but decay moves a weight."""

    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(nn.Embedding(3, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 0.0 * self.net(x[:, 0].long() % 3)

    torch.manual_seed(0)
    module = Constant()
    with torch.no_grad():
        for param in module.parameters():
            param.add_(0.5)
    session = start(make(model=Built(module=module), rule="sgd(lr=0.1, weight_decay=0.5)"), out=tmp_path)
    before = weights(session.job)
    for _ in session:
        break
    names = {name for name in moved(before, weights(session.job))}
    assert names == {"net.0.weight", "net.1.weight", "net.3.weight"}
    said = " ".join(str(sentence) for sentence in session.job.said)
    assert "decay on: embedding, head, matrix" in said


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"layer_decay": 0.0}, r"layer_decay=...\)` must lie in \(0, 1\], got 0"),
        ({"layer_decay": 1.5}, r"must lie in \(0, 1\], got 1.5"),
        ({"unfreeze_every": 0}, r"unfreeze_every=...\)` must lie in \[1, inf\), got 0"),
        ({"unfreeze_every": 1.5}, "must be a whole number, got 1.5"),
        ({"decay_on": "matrices"}, "Unknown value of decay_on"),
        ({"statistics": "exact"}, "Unknown value of statistics"),
    ],
)
def test_numbers_out_of_their_laws(make: Callable[..., Any], fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        make(**fields)
    assert "\n" not in str(caught.value)


def test_a_rule_for_matrices_on_a_network_without_any_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match=r"Muon\(\)` needs a parameter that is a matrix.*AdamW\(\)") as caught:
        make_job(make(model=tw.mlp(), rule="muon"))
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="needs a parameter that is a matrix"):
        make_job(make(model=tw.mlp(8), rule="muon", freeze=("linear1.weight",)))
