"""The closed forms: what the papers and the notes write, in plain Python."""

import doctest
import importlib
import math
import pkgutil

import pytest
import torch

import thalweg.schedules
from thalweg.core import UsageError, read_component
from thalweg.schedules import (
    SCHEDULES,
    ByHand,
    Constant,
    ConstantWarmup,
    Cyclic,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    Milestones,
    OneCycle,
    Plateau,
    Polynomial,
    Product,
    Restarts,
    Schedule,
    Sequential,
    Staircase,
    TransformerWarmup,
    Warmup,
    WarmupCosine,
    WarmupStableDecay,
    progress,
)


def at(steps, per_epoch, num_steps):
    return progress(torch.as_tensor(steps), steps_per_epoch=per_epoch, num_steps=num_steps)


def close(factors, expected, rtol=1e-12, atol=1e-15):
    torch.testing.assert_close(factors, torch.tensor(expected, dtype=torch.float64), rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(thalweg.schedules.__path__)])
def test_examples_in_docstrings(name):
    found = doctest.testmod(importlib.import_module(f"thalweg.schedules.{name}"))
    assert found.failed == 0


def test_constant():
    assert Constant().factor(at(torch.arange(5), 2, 4)).tolist() == [1.0] * 5


def test_inverse_time_is_the_notes_table():
    per_epoch = 4
    steps = torch.arange(3 * per_epoch)
    assert InverseTime(decay=1.0).factor(at(steps[::per_epoch], per_epoch, 12)).tolist() == [1, 1 / 2, 1 / 3]
    stairs = InverseTime(decay=1.0, staircase=True).factor(at(steps, per_epoch, 12))
    assert stairs.tolist() == [1.0] * 4 + [1 / 2] * 4 + [1 / 3] * 4
    smooth = InverseTime(decay=0.5).factor(at(steps, per_epoch, 12))
    assert smooth.tolist() == [1 / (1 + 0.5 * k / 4) for k in range(12)]
    assert InverseTime(decay=0.0).factor(at(steps, per_epoch, 12)).tolist() == [1.0] * 12


def test_inverse_sqrt_of_mini_batches_is_the_notes():
    factors = InverseSqrt(k=3.0, unit="steps").factor(at(torch.arange(100), 10, 100))
    close(factors, [3 / math.sqrt(t) for t in range(1, 101)])


def test_exponential_of_epochs_is_the_notes():
    factors = Exponential(gamma=0.95).factor(at(torch.arange(0, 300, 10), 10, 300))
    close(factors, [0.95**epoch for epoch in range(30)])
    stairs = Exponential(gamma=0.95, staircase=True).factor(at(torch.arange(300), 10, 300))
    close(stairs, [0.95 ** (step // 10) for step in range(300)])


def test_stairs_fall_on_the_step():
    """A third of a run, a seventh: the fall comes at the first step of the new stair, whatever rounding does."""
    for parts in (3, 7, 49):
        for num_steps in (147, 1470, 44100):
            steps = torch.arange(0, num_steps, num_steps // parts)
            factors = Staircase(gamma=0.5, every=1 / parts).factor(at(torch.cat([steps, steps[1:] - 1]), 10, num_steps))
            close(factors, [0.5**k for k in range(parts)] + [0.5**k for k in range(parts - 1)])


def test_by_hand():
    points = ((0.0, 1.0), (2.0, 0.5), (3.0, 0.8))
    stairs = ByHand(points=points, unit="epochs").factor(at(torch.arange(0, 10), 2, 10))
    assert stairs.tolist() == [1, 1, 1, 1, 0.5, 0.5, 0.8, 0.8, 0.8, 0.8]
    lines = ByHand(points=points, unit="epochs", between="lines").factor(at(torch.arange(0, 9), 2, 10))
    close(lines, [1, 0.875, 0.75, 0.625, 0.5, 0.65, 0.8, 0.8, 0.8])
    late = ByHand(points=((2, 0.5),), unit="steps").factor(at(torch.arange(4), 2, 4))
    assert late.tolist() == [0.5] * 4


@pytest.mark.parametrize(("warmup", "d_model"), [(4, 512), (10, 64), (4000, 512)])
def test_transformer_is_the_papers_formula(warmup, d_model):
    schedule = TransformerWarmup(warmup=warmup, unit="steps", d_model=d_model)
    steps = torch.unique(torch.logspace(0, 4, 60).round()).to(torch.int64)
    paper = [d_model**-0.5 * min(n**-0.5, n * warmup**-1.5) for n in steps.tolist()]
    close(schedule.factor(at(steps - 1, 10, 10_000)), paper)
    relative = TransformerWarmup(warmup=warmup, unit="steps").factor(at([warmup - 1, 4 * warmup - 1], 10, 10_000))
    close(relative, [1.0, 0.5])


@pytest.mark.parametrize("shape", ["linear", "cosine", "sqrt"])
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_warmup_stable_decay_is_the_papers(shape, floor):
    total, up, down = 100, 10, 25
    forms = {
        "linear": lambda x: 1 - x,
        "cosine": lambda x: 0.5 * (1 + math.cos(math.pi * x)),
        "sqrt": lambda x: 1 - math.sqrt(x),
    }
    expected = []
    for n in range(total + 1):
        if n < up:
            expected.append((n + 1) / (up + 1))
        elif n <= total - down:
            expected.append(1.0)
        else:
            expected.append(floor + (1 - floor) * forms[shape]((n - (total - down)) / down))
    schedule = WarmupStableDecay(warmup=0.1, decay=0.25, shape=shape, floor=floor)
    close(schedule.factor(at(torch.arange(total + 1), 10, total)), expected, atol=1e-12)


def test_restarts_between_whole_multiples():
    """Cycles of any growth: the sums of a geometric series, walked one by one."""
    growth, period, expected = 1.3, 7.5, []
    begun, length = 0.0, period
    for n in range(200):
        while n >= begun + length:
            begun, length = begun + length, length * growth
        expected.append((1 + math.cos(math.pi * (n - begun) / length)) / 2)
    schedule = Restarts(period=period, unit="steps", growth=growth)
    close(schedule.factor(at(torch.arange(200), 10, 200)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize(("warmup", "num_steps"), [(0.05, 1000), (0.2, 50), (0.07, 100), (0.5, 10)])
def test_warm_up_rises_in_a_line_to_a_peak_of_one_and_falls_to_the_floor(warmup, floor, num_steps):
    schedule = WarmupCosine(warmup=warmup, floor=floor)
    factors = schedule.factor(at(torch.arange(num_steps + 1), 10, num_steps))
    peak = round(warmup * num_steps)
    close(factors[peak], 1.0, rtol=0, atol=1e-14)
    assert int(factors.argmax()) in (peak, peak + 1) and factors.max() <= 1 + 1e-14
    rise = torch.arange(1, peak + 1, dtype=torch.float64) / (peak + 1)
    torch.testing.assert_close(factors[:peak], rise, rtol=1e-12, atol=0)
    assert (factors[: peak + 1].diff() > 0).all() and (factors[peak:].diff() < 0).all()
    middle = schedule.factor(at(torch.tensor((1 + warmup) / 2 * num_steps, dtype=torch.float64), 10, num_steps))
    close(middle, (1 + floor) / 2)
    later = schedule.factor(at([num_steps, num_steps + 1, 2 * num_steps], 10, num_steps))
    close(later, [floor] * 3, rtol=0, atol=1e-14)


DEFAULT = {  # of WarmupCosine(), step to factor, as it was while it was the only one of its kind (1,000 steps)
    0: 0.0196078431372549, 20: 0.4117647058823529, 49: 0.9803921568627451, 50: 1.0, 51: 0.9999972660400536,
    525: 0.49999999999999983, 900: 0.02709137914968268, 999: 2.7339599464326625e-06,
}  # fmt: skip


def test_the_default_has_not_moved():
    factors = WarmupCosine().factor(at(torch.tensor(list(DEFAULT)), 10, 1000))
    close(factors, list(DEFAULT.values()), rtol=0, atol=2e-16)  # the last place of a cosine is the machine's


LAWS = [
    (lambda: WarmupCosine(warmup=1.0), "`WarmupCosine(warmup=...)` must lie in [0, 1), got 1.0."),
    (lambda: WarmupCosine(floor=1.5), "`WarmupCosine(floor=...)` must lie in [0, 1], got 1.5."),
    (lambda: InverseTime(decay=-1), "`InverseTime(decay=...)` must lie in [0, inf), got -1."),
    (lambda: InverseSqrt(k=0), "`InverseSqrt(k=...)` must lie in (0, inf), got 0."),
    (lambda: Exponential(gamma=0), "`Exponential(gamma=...)` must lie in (0, inf), got 0."),
    (lambda: Staircase(every=0), "`Staircase(every=...)` must lie in (0, inf), got 0."),
    (
        lambda: Milestones(milestones=(3, 2)),
        "`Milestones(milestones=...)` must be moments from 0 on, in their order, got (3, 2).",
    ),
    (
        lambda: Milestones(milestones=("a",)),
        "`Milestones(milestones=...)` must be moments from 0 on, in their order, got ('a',).",
    ),
    (
        lambda: ByHand(points=((0, 1), (1, -1))),
        "`ByHand(points=...)` must be pairs (moment, factor), no number below 0, got ((0, 1), (1, -1)). "
        "Write points=((0, 1.0), (0.5, 0.1)).",
    ),
    (
        lambda: ByHand(points=((1, 1), (1, 0))),
        "`ByHand(points=...)` must have moments that grow, got ((1, 1), (1, 0)).",
    ),
    (lambda: Warmup(length=-1), "`Warmup(length=...)` must lie in [0, inf), got -1."),
    (lambda: Warmup(unit="days"), "Unknown value of Warmup(unit=...) 'days': known: epochs, samples, share, steps."),
    (lambda: ConstantWarmup(start=0), "`ConstantWarmup(start=...)` must lie in (0, 1], got 0."),
    (lambda: TransformerWarmup(d_model=0), "`TransformerWarmup(d_model=...)` must lie in [1, inf), got 0."),
    (lambda: Restarts(growth=0.5), "`Restarts(growth=...)` must lie in [1, inf), got 0.5."),
    (lambda: Linear(start=-1), "`Linear(start=...)` must lie in [0, inf), got -1."),
    (lambda: Polynomial(power=0), "`Polynomial(power=...)` must lie in (0, inf), got 0."),
    (lambda: Cyclic(rise=0), "`Cyclic(rise=...)` must lie in (0, inf), got 0."),
    (
        lambda: OneCycle(three_phase=True, pct_start=0.6),
        "`OneCycle(pct_start=...)` must lie in (0, 0.5] with three phases, got 0.6. "
        "The fall takes as long as the rise.",
    ),
    (lambda: Plateau(better="up"), "`Plateau(better=...)` must be 'lower' or 'higher', got 'up'."),
    (
        lambda: Plateau(metric="accuracy"),
        "`Plateau(metric=...)` needs better beside it, got 'accuracy'. Add better='higher' or better='lower'.",
    ),
    (lambda: Product(parts=()), "`Product(parts=...)` must hold at least one schedule, got ()."),
    (lambda: Sequential(parts=()), "`Sequential(parts=...)` must hold at least one schedule, got ()."),
    (
        lambda: Sequential(parts=("warmup", "cosine"), lengths=(1, 2, 3)),
        "`Sequential(lengths=...)` must be one for each of 2 parts, got (1, 2, 3). Only the last may be left out.",
    ),
    (
        lambda: Sequential(parts=("warmup", "cosine"), lengths=(-1,)),
        "`Sequential(lengths=...)` must be numbers from 0 on, got (-1,).",
    ),
    (
        lambda: Sequential(parts=("warmup", "constant", "cosine")),
        "`Sequential(parts=...)` must end by themselves, but for the last, got ['constant']. "
        "Say with lengths=... how long 'constant' lasts.",
    ),
    (
        lambda: Product(parts=("warmup", "cosin")),
        "Unknown Product(parts=...) 'cosin': did you mean 'cosine'?",
    ),
    (
        lambda: read_component(SCHEDULES, "by-hand", "schedule"),
        "[schedule] of kind 'by-hand' needs points.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), LAWS, ids=[words[:40] for _, words in LAWS])
def test_laws(make, words):
    with pytest.raises(UsageError) as error:
        make()
    assert str(error.value) == words


def test_only_the_catalogue_can_be_held():
    assert Schedule.catalogue() == SCHEDULES
    with pytest.raises(UsageError, match="must be a Schedule"):
        Product(parts=(1.0,))
