"""Penalties and constraints in training: against weight decay, by exact zeros, and in every layout of the weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import thalweg as tw
from thalweg.core import UsageError
from thalweg.train import Job, advance, make_job
from thalweg.train.loop import judged


def trained(recipe: Any) -> Job:
    job = make_job(recipe)
    for _ in advance(job):
        pass
    return job


def weights(job: Job) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in job.state.trainable.items()}


@pytest.fixture(params=["flat", "apart"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test on weights that lie flat in one tensor, and on weights that lie apart."""
    if request.param == "apart":
        monkeypatch.setattr("thalweg.train.state.FLAT_LIMIT", 0)
        monkeypatch.setattr("thalweg.train.making.FLAT_LIMIT", 0)
    return request.param  # type: ignore[no-any-return]


STRENGTH = 3.0


@pytest.mark.parametrize("rule", ["sgd(lr=0.1, momentum=0.9{})", "adam(lr=0.01{})"])
@pytest.mark.parametrize("model", [tw.mlp(8), tw.mlp(8, norm="batch"), tw.mlp(8, norm="weight")], ids=str)
def test_l2_is_coupled_weight_decay_over_the_number_of_examples(
    make: Callable[..., Any], layout: str, rule: str, model: Any
) -> None:
    """The notes' lambda / 2m times the squares pulls as weight_decay = lambda / m does, also through moments."""
    penalised = trained(make(model=model, rule=rule.format(""), penalties=(f"l2(strength={STRENGTH})",)))
    decay = STRENGTH / len(penalised.data.train)
    decayed = trained(make(model=model, rule=rule.format(f", weight_decay={decay!r}")))
    plain = trained(make(model=model, rule=rule.format("")))
    assert penalised.state.is_flat is (layout == "flat")
    for name, weight in weights(penalised).items():
        torch.testing.assert_close(weight, weights(decayed)[name], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(weights(penalised)["output.weight"], weights(plain)["output.weight"], atol=1e-4)


@pytest.mark.parametrize("penalty", ["l1(strength=20, step=proximal)", "elastic-net(strength=20, step=proximal)"])
def test_proximal_steps_give_exact_zeros_in_weights_and_nowhere_else(
    make: Callable[..., Any], layout: str, penalty: str
) -> None:
    job = trained(make(model=tw.mlp(16), rule="sgd(lr=0.1)", penalties=(penalty,), epochs=10, schedule="constant"))
    zeros = {name: (weight == 0).float().mean() for name, weight in weights(job).items()}
    assert zeros["linear1.weight"] > 0.3 and zeros["linear1.bias"] == zeros["output.bias"] == 0
    by_gradient = trained(
        make(model=tw.mlp(16), rule="sgd(lr=0.1)", penalties=(penalty.replace("proximal", "gradient"),), epochs=10)
    )
    assert not any((weight == 0).any() for weight in weights(by_gradient).values())


PENALTIES = (
    "l1(strength=3)", "l1(strength=3, step=proximal)", "l2(strength=3)", "l2(strength=3, step=proximal)",
    "frobenius(strength=3)", "elastic-net(strength=3)", "elastic-net(strength=3, step=proximal)",
    "l2(strength=0.02, scaling=plain)",
)  # fmt: skip


@pytest.mark.parametrize("penalty", PENALTIES)
def test_flat_weights_and_weights_apart_are_pulled_alike(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, penalty: str
) -> None:
    fields = {"model": tw.mlp(8, norm="batch"), "rule": "sgd(lr=0.1, momentum=0.9)", "layer_decay": 0.7}
    flat = trained(make(**fields, penalties=(penalty,)))
    without = trained(make(**fields))
    monkeypatch.setattr("thalweg.train.state.FLAT_LIMIT", 0)
    monkeypatch.setattr("thalweg.train.making.FLAT_LIMIT", 0)
    apart = trained(make(**fields, penalties=(penalty,)))
    assert flat.state.is_flat and not apart.state.is_flat
    for name, weight in weights(flat).items():
        torch.testing.assert_close(weight, weights(apart)[name], rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights(flat)["linear1.weight"], weights(without)["linear1.weight"], atol=1e-4)


@pytest.mark.parametrize("penalty", [*PENALTIES, "decay"])
def test_biases_and_norms_are_left_alone(make: Callable[..., Any], layout: str, penalty: str) -> None:
    """One step from the start: what is no weight moves as it does without a penalty."""

    def first_step(**fields: Any) -> dict[str, torch.Tensor]:
        job = make_job(make(model=tw.mlp(8, norm="batch"), schedule="constant", **fields))
        job.state.put_weights(
            {name: w + 0.5 if w.is_floating_point() else w for name, w in job.state.weights().items()}
        )
        next(iter(advance(job)))
        return weights(job)

    decayed: dict[str, Any] = {"rule": "sgd(lr=0.1, weight_decay=0.1)"}
    pulled = first_step(**(decayed if penalty == "decay" else {"rule": "sgd(lr=0.1)", "penalties": (penalty,)}))
    without = first_step(rule="sgd(lr=0.1)")
    moved = {name for name, weight in pulled.items() if not torch.allclose(weight, without[name], rtol=0, atol=1e-6)}
    assert moved == {"linear1.weight", "output.weight"}


def test_decay_on_all_reaches_biases_and_norms(make: Callable[..., Any], layout: str) -> None:
    fields = {"model": tw.mlp(8, norm="batch"), "schedule": "constant"}
    ends = []
    for where in ("weights", "all"):
        job = make_job(make(**fields, rule="adamw(lr=0.1, weight_decay=1.0)", decay_on=where))
        job.state.put_weights(
            {name: w + 0.5 if w.is_floating_point() else w for name, w in job.state.weights().items()}
        )
        next(iter(advance(job)))
        ends.append(weights(job))
    moved = {name for name, weight in ends[0].items() if not torch.allclose(weight, ends[1][name], atol=1e-5)}
    assert moved == {"norm1.weight", "norm1.bias", "output.bias"}


@pytest.mark.parametrize("rule", ["sgd(lr=2.0)", "adamw(lr=0.3)+clip-norm", "muon(lr=0.5)", "sgd(lr=2.0)+sam"])
def test_no_unit_is_longer_than_its_bound_after_any_step(make: Callable[..., Any], rule: str) -> None:
    job = make_job(make(model=tw.mlp(8, norm="batch"), rule=rule, constraint="max-norm(max_norm=0.7)", stop=None))
    assert not job.state.is_flat
    longest, biases = 0.0, 0.0
    for _ in advance(job):
        for weight in job.state.trainable.values():
            if weight.ndim == 2:
                longest = max(longest, float(torch.linalg.vector_norm(weight, dim=1).max()))
            else:
                biases = max(biases, float(weight.abs().max()))
    assert longest == pytest.approx(0.7, rel=1e-5) and biases > 0.7


@pytest.mark.parametrize("rule", ["ema(average_decay=0.5)", "swa", "lookahead", "clip-norm+ema(average_decay=0.5)"])
def test_averages_are_of_weights_within_their_bound(make: Callable[..., Any], rule: str) -> None:
    """The mean of weights within a ball lies within it, if it is those that are averaged."""
    job = trained(make(model=tw.mlp(8), rule=f"sgd(lr=1.0)+{rule}", constraint="max-norm(max_norm=0.7)", epochs=10))
    with judged(job):
        found = weights(job)
    longest = max(float(torch.linalg.vector_norm(w, dim=1).max()) for w in found.values() if w.ndim == 2)
    assert 0.4 < longest < 0.7 * 1.001


def test_averages_are_of_weights_that_were_shrunk(make: Callable[..., Any], layout: str) -> None:
    penalties = ("l1(strength=20, step=proximal)",)
    job = make_job(make(rule="sgd(lr=0.1)+ema(average_decay=0.8)", penalties=penalties, stop=None))
    path = [weights(job) for _ in advance(job)]
    shares = [0.2 * 0.8 ** (len(path) - 1 - k) / (1 - 0.8 ** len(path)) for k in range(len(path))]
    with judged(job):
        for name, weight in weights(job).items():
            mean = sum(share * found[name] for share, found in zip(shares, path, strict=True))
            torch.testing.assert_close(weight, mean, rtol=1e-4, atol=1e-6)


def test_the_strength_of_a_penalty_moves(make: Callable[..., Any], layout: str) -> None:
    """A strength that is zero until half of the run is none until there."""
    moves = {"l2_strength": "by-hand(points=[[0.49, 0], [0.5, 1]])"}
    fields = {"rule": "sgd(lr=0.1)", "stop": None, "epochs": 4}
    moving = make_job(make(**fields, penalties=("l2(strength=50)",), schedules=moves))
    without = make_job(make(**fields))
    alike = []
    for _ in zip(advance(moving), advance(without), strict=True):
        alike.append(all(torch.allclose(w, weights(without)[name], atol=1e-6) for name, w in weights(moving).items()))
    assert alike == [True] * 12 + [False] * 12


CONTRADICTIONS: list[tuple[dict[str, Any], str]] = [
    ({"rule": "adamw(weight_decay=0.1)", "penalties": ("l2",)}, r"must leave squares to weight_decay=0.1.*'l2'"),
    ({"rule": "sgd(weight_decay=0.1)+ema", "penalties": ("frobenius",)}, "must leave squares to weight_decay=0.1"),
    ({"rule": "sgd", "penalties": ("l2", "l2")}, "must not pull the same way twice"),
    ({"rule": "sgd", "penalties": ("l2", "frobenius")}, r"pull the same way twice, got \['l2', 'frobenius'\]"),
    ({"rule": "sgd", "penalties": ("elastic-net", "l1")}, "must not pull the same way twice"),
    ({"rule": "prodigy", "penalties": ("l1(step=proximal)",)}, "must have step='gradient' beside prodigy"),
    ({"rule": "prodigy+ema", "penalties": ("l2(step=proximal)",)}, "must have step='gradient' beside prodigy"),
    ({"rule": "schedule-free-sgd", "penalties": ("l1(step=proximal)",)}, "step='gradient' beside schedule-free-sgd"),
    ({"rule": "schedule-free-adamw", "constraint": "max-norm"}, "cannot bound the weights that schedule-free-adamw is"),
    ({"rule": "sgd", "penalties": ("l3",)}, "did you mean 'l1'|did you mean 'l2'"),
    ({"rule": "sgd", "penalties": ("l2(strength=-1)",)}, r"L2\(strength=...\)` must lie in \[0, inf\), got -1"),
    ({"rule": "sgd", "constraint": "max-norm(max_norm=0)"}, r"must lie in \(0, inf\), got 0"),
    ({"rule": "sgd", "augment": ("mixup", "flop")}, "did you mean 'flip'"),
]


@pytest.mark.parametrize(("fields", "sentence"), CONTRADICTIONS)
def test_contradictions_get_one_sentence(make: Callable[..., Any], fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        make(**fields)
    assert "\n" not in str(caught.value)


def test_what_goes_together_is_let_through(make: Callable[..., Any]) -> None:
    make(rule="adamw", penalties=("l1",))
    make(rule="adamw(weight_decay=0)", penalties=("l2", "l1"))
    make_job(make(rule="sgd", penalties=("l1", "l2"), constraint="max-norm"))
    make_job(make(rule="prodigy", penalties=("l1",), constraint="max-norm"))
    make_job(make(rule="schedule-free-sgd", penalties=("l1",)))


@pytest.mark.parametrize("augment", ["shift", "flip", "rotate", "cutmix", "erase"])
def test_augmentations_of_images_are_refused_on_tables(make: Callable[..., Any], augment: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_job(make(augment=(augment,)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["iris", "diabetes"])
def test_mixtures_of_examples_train_on_labels_and_values(make: Callable[..., Any], source: str) -> None:
    mixed = trained(make(source=source, model=tw.mlp(8), augment=("mixup", "input-noise(std=0.1)"), batch_size=100))
    assert all(weight.isfinite().all() for weight in weights(mixed).values())
    plain = trained(make(source=source, model=tw.mlp(8), batch_size=100))
    assert not torch.equal(weights(mixed)["output.weight"], weights(plain)["output.weight"])
