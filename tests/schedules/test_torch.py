"""Each schedule that torch has, step by step against torch's."""

import itertools
import warnings

import pytest
import torch
from torch.optim import lr_scheduler as theirs

from thalweg.schedules import (
    ConstantWarmup,
    Cosine,
    Cyclic,
    Exponential,
    Linear,
    Milestones,
    OneCycle,
    Plateau,
    Polynomial,
    Product,
    Restarts,
    Sequential,
    Staircase,
    Warmup,
    WarmupCosine,
    progress,
)

STEPS = 60


def torchs(make, steps=STEPS + 1):
    """Return the rates that torch's scheduler sets, of a rule with lr=1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # SequentialLR and ChainedScheduler scold their own calls
        scheduler = make(optimizer)
        found = []
        for _ in range(steps):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return torch.tensor(found, dtype=torch.float64)


def ours(schedule, steps=STEPS + 1, num_steps=STEPS):
    at = progress(torch.arange(steps), steps_per_epoch=10, num_steps=num_steps)
    return schedule.factor(at)


PAIRS = {
    "StepLR": (Staircase(gamma=0.3, every=7, unit="steps"), lambda o: theirs.StepLR(o, 7, gamma=0.3)),
    "MultiStepLR": (
        Milestones(milestones=(5, 20, 20, 59), gamma=0.5, unit="steps"),
        lambda o: theirs.MultiStepLR(o, [5, 20, 20, 59], gamma=0.5),
    ),
    "ExponentialLR": (Exponential(gamma=0.9, unit="steps"), lambda o: theirs.ExponentialLR(o, 0.9)),
    "LinearLR": (Warmup(length=13, unit="steps", start=1 / 3), lambda o: theirs.LinearLR(o, 1 / 3, total_iters=13)),
    "LinearLR down": (
        Linear(start=0.8, end=0.1, length=31, unit="steps"),
        lambda o: theirs.LinearLR(o, 0.8, 0.1, total_iters=31),
    ),
    "ConstantLR": (
        ConstantWarmup(length=9, unit="steps", start=0.1),
        lambda o: theirs.ConstantLR(o, 0.1, total_iters=9),
    ),
    "PolynomialLR": (
        Polynomial(power=1.7, length=40, unit="steps"),
        lambda o: theirs.PolynomialLR(o, total_iters=40, power=1.7),
    ),
    "CosineAnnealingLR": (Cosine(floor=0.2), lambda o: theirs.CosineAnnealingLR(o, STEPS, eta_min=0.2)),
    "CosineAnnealingLR of the default": (WarmupCosine(warmup=0), lambda o: theirs.CosineAnnealingLR(o, STEPS)),
    "CosineAnnealingWarmRestarts": (
        Restarts(period=8, unit="steps", floor=0.1),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 8, eta_min=0.1),
    ),
    "CosineAnnealingWarmRestarts, T_mult": (
        Restarts(period=3, unit="steps", growth=2),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 3, T_mult=2),
    ),
    "CosineAnnealingWarmRestarts, T_mult 3": (
        Restarts(period=2, unit="steps", growth=3),
        lambda o: theirs.CosineAnnealingWarmRestarts(o, 2, T_mult=3),
    ),
    "CyclicLR": (
        Cyclic(rise=6, fall=9, unit="steps", floor=0.25),
        lambda o: theirs.CyclicLR(o, 0.25, 1.0, step_size_up=6, step_size_down=9, cycle_momentum=False),
    ),
    "CyclicLR, triangular2": (
        Cyclic(rise=5, unit="steps", floor=0.1, gamma=0.5),
        lambda o: theirs.CyclicLR(o, 0.1, 1.0, step_size_up=5, mode="triangular2", cycle_momentum=False),
    ),
    "SequentialLR": (
        Sequential(
            parts=(Warmup(length=5, unit="steps", start=0.1), Staircase(every=4, unit="steps"), Exponential(gamma=0.5)),
            lengths=(10, 20),
            unit="steps",
        ),
        lambda o: theirs.SequentialLR(
            o,
            [
                theirs.LinearLR(o, 0.1, total_iters=5),
                theirs.StepLR(o, 4, gamma=0.5),
                theirs.ExponentialLR(o, 0.5**0.1),
            ],
            milestones=[10, 30],
        ),
    ),
    "ChainedScheduler": (
        Product(parts=(ConstantWarmup(length=4, unit="steps", start=0.2), Exponential(gamma=0.9, unit="steps"))),
        lambda o: theirs.ChainedScheduler(
            [theirs.ConstantLR(o, 0.2, total_iters=4), theirs.ExponentialLR(o, 0.9)], optimizer=o
        ),
    ),
}


@pytest.mark.parametrize(("schedule", "make"), PAIRS.values(), ids=PAIRS.keys())
def test_is_torchs(schedule, make):
    torch.testing.assert_close(ours(schedule), torchs(make), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("strategy", "three", "pct", "steps"),
    list(itertools.product(["cos", "linear"], [False, True], [0.1, 0.3, 0.5], [7, 20, 60, 101])),
)
def test_one_cycle_is_torchs(strategy, three, pct, steps):
    schedule = OneCycle(pct_start=pct, div_factor=10, final_div_factor=50, anneal_strategy=strategy, three_phase=three)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = theirs.OneCycleLR(
        optimizer, 1.0, total_steps=steps, pct_start=pct, anneal_strategy=strategy, cycle_momentum=False,
        div_factor=10, final_div_factor=50, three_phase=three,
    )  # fmt: skip
    rates = [optimizer.param_groups[0]["lr"]]
    for _ in range(steps - 1):
        optimizer.step()
        scheduler.step()
        rates.append(optimizer.param_groups[0]["lr"])
    expected = torch.tensor(rates, dtype=torch.float64)
    torch.testing.assert_close(ours(schedule, steps, steps), expected, rtol=1e-9, atol=1e-12)


SETTINGS = [
    {},
    {"patience": 0},
    {"patience": 2, "cooldown": 3},
    {"patience": 1, "threshold": 0.2},
    {"patience": 1, "threshold": 0.3, "threshold_mode": "abs"},
    {"patience": 0, "cooldown": 1, "threshold": 0.0, "gamma": 0.5},
]


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_plateau_is_torchs(settings, seed, better):
    draw = torch.Generator().manual_seed(seed)
    values = (torch.rand(80, generator=draw) + torch.linspace(1, 0.2, 80)).tolist()
    values[30] = float("nan")
    schedule = Plateau(better=better, floor=0.01, **settings)
    rest = {key: value for key, value in settings.items() if key != "gamma"}
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = theirs.ReduceLROnPlateau(
        optimizer, mode="min" if better == "lower" else "max", factor=schedule.gamma, min_lr=0.01, eps=0,
        **{"patience": schedule.patience, **rest},
    )  # fmt: skip
    expected = [1.0]
    for value in values:
        scheduler.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    seen = {"loss": [(10 * (k + 1), value) for k, value in enumerate(values)]}
    at = progress(torch.arange(0, 810, 10), steps_per_epoch=10, num_steps=800, seen=seen)
    factors = schedule.factor(at)
    assert len(set(expected)) > 1
    torch.testing.assert_close(factors, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)
