"""Member k of a population is the single run of its recipe: the curve, the evaluations, the end and the weights."""

import functools

import pytest
import torch

import thalweg as tw
from thalweg.core import Outcome, UsageError
from thalweg.train import Recipe, advance, make_job
from thalweg.train.loop import give_back
from thalweg.tune.population import Population, groups, unfit


@functools.cache
def iris():
    source = tw.open_source("iris")
    return source, source.load()


def job(k=0, *, model=None, rule=None, seed=None, epochs=6, **more):
    source, dataset = iris()
    recipe = Recipe(
        data=source, model=model or tw.mlp(16), rule=rule or tw.rules.Adam(lr=0.01), batch_size=32, epochs=epochs,
        seed=k if seed is None else seed, device="cpu", **more,
    )  # fmt: skip
    return make_job(recipe, dataset=dataset)


FAMILIES = {
    "rates": lambda k: {"rule": tw.rules.AdamW(lr=1e-3 * (1 + k))},
    "momentum": lambda k: {"rule": tw.rules.SGD(lr=0.05, momentum=0.3 + 0.2 * k)},
    "dropout": lambda k: {"model": tw.mlp(16, dropout=0.1 + 0.1 * k), "seed": 0},
    "batch norm": lambda k: {"model": tw.mlp(16, norm="batch"), "rule": tw.rules.SGD(lr=0.02 * (1 + k))},
    "matrices": lambda k: {"rule": tw.rules.Muon(lr=0.01 * (1 + k))},
    "averages": lambda k: {"rule": tw.rules.EMA(rule=tw.rules.Adam(lr=0.01 * (1 + k)))},
    "a member is lost": lambda k: {"rule": tw.rules.SGD(lr=1e30 if k == 1 else 0.1)},
    "stopped early": lambda k: {"rule": tw.rules.Adam(lr=0.02 * 2**k), "model": tw.mlp(64), "epochs": 60},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_member_is_its_single_run(family):
    made = [job(k, **FAMILIES[family](k)) for k in range(3)]
    alone = [job(k, **FAMILIES[family](k)) for k in range(3)]
    population = Population(made)
    curves, seen = [[] for _ in made], [{} for _ in made]
    for tick in population.advance():
        for place, member in enumerate(tick.who):
            curves[member] += tick.losses[:, place].tolist()
            if tick.evaluation is not None:
                seen[member][tick.step] = {n: float(v[place]) for n, v in tick.evaluation["validation"].items()}
    for member, one in enumerate(alone):
        snapshots = list(advance(one))
        give_back(one)
        rows = [row.loss for snapshot in snapshots for row in snapshot.rows]
        ending = population.endings[member]
        assert (ending.outcome, ending.steps) == (snapshots[-1].outcome, len(rows))
        known = [(a, b) for a, b in zip(rows, curves[member], strict=False) if abs(a) < 1e6]
        assert max(abs(a - b) for a, b in known) < 1e-5
        for snapshot in snapshots:
            if snapshot.evaluation:
                step = snapshot.rows[-1].step + 1
                assert snapshot.evaluation["validation"] == pytest.approx(seen[member][step], abs=1e-4)
        if ending.outcome is not Outcome.DIVERGED:
            assert made[member].state.best.step == one.state.best.step
            for name, tensor in one.state.weights().items():
                torch.testing.assert_close(made[member].state.weights()[name], tensor, rtol=1e-3, atol=1e-4)


def test_survivors_go_on_unchanged_when_others_are_left_out():
    rates = [0.001 * (1 + k) for k in range(4)]
    curves = []
    for pruned in ([], [0, 1, 3]):
        population = Population(
            [job(k, model=tw.mlp(16, dropout=0.2), rule=tw.rules.Adam(lr=rates[k])) for k in range(4)]
        )
        curve = []
        for number, tick in enumerate(population.advance()):
            curve += tick.losses[:, tick.who.index(2)].tolist()
            if number == 1:
                population.end(pruned)
        curves.append(curve)
        assert [population.endings[k].outcome for k in pruned] == [Outcome.PRUNED] * len(pruned)
    assert curves[0] == pytest.approx(curves[1], abs=1e-6) and len(curves[0]) == 6 * 4


def test_jobs_of_several_shapes_are_sorted_and_refused_together():
    made = [job(0), job(1, model=tw.mlp(8)), job(2, rule=tw.rules.Adam(lr=0.5)), job(3, rule=tw.rules.SGD(lr=0.1))]
    assert groups(made) == [[0, 2], [1], [3]]
    with pytest.raises(UsageError, match="one shape, got 3"):
        Population(made)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"rule": tw.rules.SAM(rule=tw.rules.SGD(lr=0.1))}, "second gradient"),
        ({"rule": tw.rules.Newton()}, "Hessian"),
        ({"schedule": "plateau"}, "waits for a metric"),
        ({"windows": 2}, "in parts"),
        ({"max_seconds": 5.0}, "time is limited"),
        ({"compile": True}, "to be compiled"),
        ({"freeze": ("linear1",)}, "do not train"),
        ({"unfreeze_every": 2}, "one after the other"),
        ({"model": tw.mlp(8, norm="batch"), "statistics": "precise"}, "statistics are taken anew"),
    ],
)
def test_what_a_population_cannot_train_is_named(more, reason):
    assert unfit(job()) is None
    alone = job(**more)
    assert reason in unfit(alone)
    with pytest.raises(UsageError, match=reason):
        Population([alone])
