"""Paths: noise, schedules, races, populations, divergence, and what is refused."""

import math

import pytest
import torch

from thalweg.core import Outcome, UnknownName, UsageError
from thalweg.rules import SGD, Adam, AdamW, RMSProp
from thalweg.schedules import InverseTime, Plateau, WarmupCosine, progress
from thalweg.surface import Bowl, Path, descend, descend_many, formula, lowest_of, open_surface, race
from thalweg.surface.opening import text_of
from thalweg.surface.population import member


def same(one, two, tolerance=1e-12):
    for name in ("points", "losses", "grad_norms", "rates"):
        torch.testing.assert_close(
            getattr(one, name), getattr(two, name), rtol=tolerance, atol=tolerance, equal_nan=True, msg=name
        )
    assert one.outcome is two.outcome and one.rule == two.rule and one.surface == two.surface


# Noise and schedules.


def test_noise_is_that_of_its_seed_and_step():
    one, again, other = (descend("bowl", "sgd(lr=0.1)", steps=30, noise=0.5, seed=s) for s in (0, 0, 1))
    same(one, again, 0)
    assert not torch.allclose(one.points, other.points)
    quiet = descend("bowl", "sgd(lr=0.1)", steps=30)
    first = (one.points[1] - quiet.points[1]) / -0.1  # the noise of the first step is what parts them
    adam = descend("bowl", "adam(lr=0.1, beta1=0, beta2=0, eps=0)", steps=1, noise=0.5)
    grad = torch.tensor([2 * -1.6, 6 * 1.2], dtype=torch.float64) + first
    torch.testing.assert_close(adam.points[1], adam.points[0] - 0.1 * grad.sign())
    assert one.losses[0] == quiet.losses[0], "losses are without noise"


def test_noise_has_the_deviation_that_was_asked_for():
    path = descend(formula("0*x"), SGD(lr=1.0), (0.0, 0.0), steps=1500, noise=0.3)
    steps = path.points.diff(dim=0)
    assert steps.mean(dim=0).abs().max() < 4 * 0.3 / math.sqrt(1500)
    torch.testing.assert_close(steps.std(dim=0), torch.full((2,), 0.3).double(), rtol=0.08, atol=0)
    assert abs(float(torch.corrcoef(steps.T)[0, 1])) < 0.1


@pytest.mark.parametrize("schedule", [WarmupCosine(warmup=0.2), InverseTime(decay=0.5), "warmup-cosine"])
def test_the_schedule_moves_the_rate(schedule):
    path = descend("bowl", "sgd(lr=0.1)", steps=20, schedule=schedule)
    known = WarmupCosine() if schedule == "warmup-cosine" else schedule
    factor = known.factor(progress(torch.arange(20), steps_per_epoch=1, num_steps=20))
    torch.testing.assert_close(path.rates, 0.1 * factor)
    moved = path.points.diff(dim=0)
    grads = path.points[:-1] * torch.tensor([2.0, 6.0], dtype=torch.float64)
    torch.testing.assert_close(moved, -path.rates[:, None] * grads)


def test_a_schedule_that_reads_the_loss():
    schedule = Plateau(patience=2, gamma=0.5, threshold=0.0)
    path = descend("bowl", "sgd(lr=0.4)", steps=40, schedule=schedule)  # jumps about across b = 3 at this rate
    assert path.rates[0] == 0.4 and path.rates[-1] < 0.4
    for step in (5, 17, 39):
        seen = {"loss": list(enumerate(path.losses[:step].tolist()))}
        factor = schedule.factor(progress(torch.tensor([step]), steps_per_epoch=1, num_steps=40, seen=seen))
        assert path.rates[step] == pytest.approx(0.4 * float(factor))
    together = descend_many("bowl", "sgd", STARTS, {"lr": RATES}, steps=10, schedule=schedule)
    same(together[3], descend("bowl", SGD(lr=0.1), tuple(STARTS[3].tolist()), steps=10, schedule=schedule), 0)
    with pytest.raises(UsageError, match=r"`descend\(schedule=...\)` can read the loss alone on a surface, got 'acc'"):
        descend("bowl", "sgd", schedule=Plateau(metric="acc", better="higher"))
    with pytest.raises(UsageError, match="must fit into the run"):
        descend("bowl", "sgd", steps=5, schedule="warmup(length=10, unit=steps)")


# What a path knows of itself.


def made(losses, surface=None):
    losses = torch.tensor(losses, dtype=torch.float64)
    points = torch.stack([losses, losses], dim=1)
    return Path(
        surface=surface or Bowl(), rule=SGD(), points=points, losses=losses, grad_norms=losses, rates=losses[1:],
        outcome=Outcome.FINISHED,
    )  # fmt: skip


def test_steps_to_counts_until_the_loss_stays_low():
    assert made([8.0, 4.0, 1.0, 5.0, 0.5, 0.1]).steps_to(0.125) == 4
    assert made([8.0, 0.0, 0.0]).steps_to(0.125) == 1
    assert made([8.0, 0.0, 4.0]).steps_to(0.125) is None
    assert made([8.0, 0.0, math.nan]).steps_to(0.125) is None
    assert made([8.0, 2.0, 1.1]).steps_to(0.5, floor=1.0) == 1
    unknown = formula("x + y")
    assert made([4.0, 2.0, 0.0], unknown).steps_to(0.5) == 1
    assert lowest_of([made([3.0, math.nan], unknown), made([2.0, 1.0], unknown)]) == 1.0
    with pytest.raises(UsageError, match=r"`steps_to\(share=...\)` must lie in \(0, 1\), got 1.0"):
        made([1.0]).steps_to(1.0)


def test_plain_holds_everything():
    plain = descend("bowl", "adam(lr=0.1)", steps=3).to_plain()
    assert plain["rule"]["kind"] == "adam" and plain["outcome"] == "finished" and plain["steps"] == 3
    assert len(plain["points"]) == len(plain["losses"]) == 4 and len(plain["rates"]) == 3
    assert plain["end"] == plain["points"][-1] and plain["loss"] == plain["losses"][-1]


def test_a_path_that_is_lost_keeps_what_is_known():
    path = descend("rosenbrock", "sgd(lr=0.1)", steps=50)
    assert path.outcome is Outcome.DIVERGED and 0 < path.steps < 50 and math.isnan(path.loss)
    assert path.losses[: path.steps + 1].isfinite().all() and path.losses[path.steps + 2 :].isnan().all()
    assert path.points[path.steps + 2 :].isnan().all() and path.rates[path.steps + 1 :].isnan().all()
    assert all(map(math.isfinite, path.end))


def test_a_start_without_a_number_is_lost_at_once():
    path = descend("log(x)", "sgd", (-1.0, 0.0), steps=5)
    assert path.outcome is Outcome.DIVERGED and path.steps == 0 and path.end == (-1.0, 0.0)
    edge = descend("sqrt(abs(x)) + y^2", "sgd", (0.0, 1.0), steps=5)  # a value, and no gradient
    assert edge.outcome is Outcome.DIVERGED and edge.steps == 0 and float(edge.losses[0]) == 1.0


# Races.


def test_a_race_is_its_members_alone():
    rules = ["sgd(lr=0.02)", Adam(lr=0.1)]
    paths = race("two-weights", rules, (-1.0, 2.0), steps=20, noise=0.1, seed=4)
    assert list(paths) == ["sgd(lr=0.02)", "adam(lr=0.1)"]
    for path, rule in zip(paths.values(), rules, strict=True):
        same(path, descend("two-weights", rule, (-1.0, 2.0), steps=20, noise=0.1, seed=4), 0)
    named = race("bowl", {"plain": "sgd", "also plain": "sgd"}, steps=2)
    assert list(named) == ["plain", "also plain"]
    with pytest.raises(UsageError, match="must not have a rule twice"):
        race("bowl", ["sgd", SGD()])
    with pytest.raises(UsageError, match=r"`race\(rules=...\)` must have one rule or more"):
        race("bowl", [])


# Populations.

STARTS = torch.tensor([[-1.6, 1.2], [0.5, -0.5], [2.0, 0.1], [-0.3, -1.7]], dtype=torch.float64)
RATES = torch.tensor([0.001, 0.01, 0.05, 0.1], dtype=torch.float64)
POPULATIONS = {
    "sgd": (SGD(), {"lr": RATES}),
    "momentum": (SGD(momentum=0.5), {"lr": RATES, "momentum": torch.tensor([0.0, 0.5, 0.9, 0.99])}),
    "adam": (Adam(), {"lr": RATES, "beta1": torch.tensor([0.0, 0.5, 0.9, 0.95])}),
    "adamw": (AdamW(lr=0.03), {"weight_decay": torch.tensor([0.0, 0.01, 0.1, 1.0])}),
    "rmsprop": (RMSProp(), {"lr": RATES}),
    "no numbers": (Adam(lr=0.05), {}),
}


@pytest.mark.parametrize("name", ["bowl", "rosenbrock", "two-weights", "(1-x*y)**2 + 0.1*sin(3x) + max(x, 0.5)"])
@pytest.mark.parametrize("case", POPULATIONS)
def test_a_population_is_the_loop_over_its_members(case, name):
    rule, hyper = POPULATIONS[case]
    given = {"steps": 15, "schedule": "warmup-cosine", "noise": 0.05}
    together = descend_many(name, rule, STARTS, hyper, seed=7, **given)
    assert len(together) == 4
    for m, path in enumerate(together):
        alone = member(rule, {key: float(values[m]) for key, values in hyper.items()})
        # Members that diverge multiply the last bit by large numbers.
        same(path, descend(name, alone, tuple(STARTS[m].tolist()), seed=7 + m, **given), 1e-9)


def test_a_population_loses_members_as_the_loop_does():
    rates = torch.tensor([1e-3, 1.0, 1e-3, 3.0], dtype=torch.float64)
    paths = descend_many("rosenbrock", "sgd", torch.tensor([-1.2, 1.0], dtype=torch.float64), {"lr": rates}, steps=30)
    assert [path.outcome is Outcome.DIVERGED for path in paths] == [False, True, False, True]
    for path, rate in zip(paths, rates.tolist(), strict=True):
        alone = descend("rosenbrock", SGD(lr=rate), (-1.2, 1.0), steps=30)
        assert path.steps == alone.steps
        same(path, alone, 1e-9)


def test_numbers_of_a_rule_inside_another():
    rule = member(open_rule("sgd+clip-norm"), {"lr": 0.5, "clip_norm": 2.0})
    assert (rule.rule.lr, rule.clip_norm) == (0.5, 2.0)
    paths = descend_many("bowl", rule, STARTS, {"lr": RATES, "clip_norm": RATES * 10}, steps=10)
    alone = descend("bowl", "sgd(lr=0.05)+clip-norm(clip_norm=0.5)", tuple(STARTS[2].tolist()), steps=10)
    same(paths[2], alone, 1e-12)


def open_rule(text):
    from thalweg.surface.descent import open_rule

    return open_rule(text)


@pytest.mark.parametrize(
    ("starts", "hyper", "said"),
    [
        (
            torch.zeros(3),
            None,
            r"`descend_many\(starts=...\)` must be finite and of shape \(P, 2\) or \(2,\), got \(3,\)",
        ),
        (torch.tensor([[math.nan, 0]]), None, "must be finite"),
        (torch.zeros(3, 2), {"lr": RATES}, r"`descend_many\(hyper=...\)` must hold tensors \(P,\)"),
        (torch.zeros(2), {"lr": torch.tensor(0.1)}, r"must hold tensors \(P,\)"),
        (torch.zeros(2), {"lr": torch.tensor([0.1, -0.1])}, r"`SGD\(lr=...\)` must lie in \(0, inf\), got -0.1"),
        (torch.zeros(2), {"beta": torch.tensor([0.1])}, "Unknown hyperparameter of sgd 'beta'"),
    ],
)
def test_populations_that_cannot_be(starts, hyper, said):
    with pytest.raises(UsageError, match=said):
        descend_many("bowl", "sgd", starts, hyper, steps=2)


# What is given as text, and what is refused.


@pytest.mark.parametrize("text", ["bowl", "ravine(condition=100)", "two-weights", "sgd(lr=0.5)", "sgd+clip-norm"])
def test_texts_come_back(text):
    component = open_rule(text) if text.startswith("sgd") else open_surface(text)
    assert text_of(component) == text


def test_texts_that_are_formulas():
    for text in ("x", "x-y", "x*y", "-x", "sin(x)", "min(x, y)", "w1", "e-x", "(x)"):
        assert open_surface(text).name == "formula"
    for text, near in (("rosenbrok", "rosenbrock"), ("himelblau(a=1)", "himmelblau"), ("double-wel", "double-well")):
        with pytest.raises(UnknownName, match=f"Unknown surface .* did you mean '{near}'"):
            open_surface(text)
    with pytest.raises(UnknownName, match="did you mean 'condition'"):
        open_surface("ravine(conditon=3)")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"steps": 0}, r"`descend\(steps=...\)` must be a whole number from 1 to 100000, got 0"),
        ({"steps": 2.5}, "must be a whole number"),
        ({"noise": -1.0}, r"`descend\(noise=...\)` must lie in \[0, inf\), got -1.0"),
        ({"noise": math.nan}, "must lie in"),
        ({"start": (0.0, math.inf)}, r"`descend\(start=...\)` must be two finite numbers"),
        ({"start": 3}, "must be two finite numbers, got 3"),
        ({"schedule": "cosin"}, "Unknown schedule 'cosin'"),
        ({"rule": "adm"}, "Unknown rule 'adm': did you mean 'adam'"),
        ({"rule": "sgd(lr=-1)"}, r"must lie in \(0, inf\), got -1.0"),
        ({"surface": "x +"}, "must have a value, got the end"),
    ],
)
def test_what_cannot_be_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        descend(given.pop("surface", "bowl"), given.pop("rule", "sgd"), **given)


@pytest.mark.parametrize(
    ("surface", "said"),
    [("rosenbrock", "whose curvature is not the same everywhere"), ("saddle", "with one minimum, got 'saddle'"),
     ("x^2", "with one minimum"), ("x", "with one minimum")],
)  # fmt: skip
def test_theory_is_for_quadratics(surface, said):
    from thalweg.surface import convergence_rate, optimum

    with pytest.raises(UsageError, match=said):
        optimum(surface)
    with pytest.raises(UsageError, match=said):
        convergence_rate(surface, lr=0.1)
    with pytest.raises(UsageError, match=r"`convergence_rate\(momentum=...\)` must lie in \[0, 1\), got 1.0"):
        convergence_rate("bowl", lr=0.1, momentum=1.0)
    with pytest.raises(UsageError, match=r"`convergence_rate\(lr=...\)` must lie in \(0, inf\), got 0"):
        convergence_rate("bowl", lr=0)


def test_theory_reads_formulas_too():
    from thalweg.surface import optimum

    assert optimum("x^2 + x*y + 3y^2 + x - 2").eigenvalues == pytest.approx((4 - math.sqrt(5), 4 + math.sqrt(5)))
