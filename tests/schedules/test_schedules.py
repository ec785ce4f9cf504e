"""What every schedule owes, and each against its closed form or torch's."""

import math

import pytest
import torch

from thalweg.core import UsageError, knobs
from thalweg.schedules import SCHEDULES, Constant, InverseTime, Progress, WarmupCosine, progress

VARIANTS = {
    **{name: schedule() for name, schedule in SCHEDULES.items()},
    "slow": InverseTime(decay=0.01),
    "stairs": InverseTime(decay=10.0, staircase=True),
    "no warm-up": WarmupCosine(warmup=0.0),
    "long warm-up with floor": WarmupCosine(warmup=0.9, floor=0.1),
}
RUNS = [(1, 1), (1, 7), (3, 10), (7, 49), (100, 1000), (50, 33)]


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def schedule(request):
    return request.param


def at(steps, per_epoch, num_steps):
    return progress(torch.as_tensor(steps), steps_per_epoch=per_epoch, num_steps=num_steps)


@pytest.mark.parametrize(("per_epoch", "num_steps"), RUNS)
def test_finite_on_the_whole_run_and_positive_at_the_start(schedule, per_epoch, num_steps):
    factors = schedule.factor(at(torch.arange(num_steps + 1), per_epoch, num_steps))
    assert factors.dtype == torch.float64
    assert factors.isfinite().all() and (factors >= 0).all() and (factors <= 1 + 1e-12).all()
    assert factors[0] > 0
    assert (factors[:num_steps] > 0).all()


@pytest.mark.parametrize(("per_epoch", "num_steps"), RUNS)
def test_all_at_once_is_one_by_one(schedule, per_epoch, num_steps):
    together = schedule.factor(at(torch.arange(num_steps + 1), per_epoch, num_steps))
    alone = [schedule.factor(at(step, per_epoch, num_steps)) for step in range(num_steps + 1)]
    assert all(factor.shape == () for factor in alone)
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-14, atol=1e-15)  # wide cosines round by themselves


@pytest.mark.parametrize("shape", [(), (0,), (4,), (2, 3), (2, 1, 3)])
def test_any_shape_and_pure(schedule, shape):
    steps = torch.arange(math.prod(shape)).reshape(shape)
    moments = at(steps, 5, 20)
    before = Progress(moments.step.clone(), moments.epoch.clone(), moments.share.clone(), moments.one)
    first = schedule.factor(moments)
    assert first.shape == shape and first.dtype == torch.float64
    torch.testing.assert_close(first, schedule.factor(moments), rtol=0, atol=0)
    for field in ("step", "epoch", "share"):
        torch.testing.assert_close(getattr(moments, field), getattr(before, field), rtol=0, atol=0)
    first.fill_(-1.0)
    assert (schedule.factor(moments) >= 0).all()


def test_progress():
    moments = at([0, 5, 10, 20], 10, 20)
    assert moments.step.tolist() == [0, 5, 10, 20]
    assert moments.epoch.tolist() == [0, 0.5, 1, 2]
    assert moments.share.tolist() == [0, 0.25, 0.5, 1]
    assert moments.one == 0.05
    assert at(0, 1, 0).share == 0


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


@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize(("warmup", "num_steps"), [(0.05, 1000), (0.2, 50), (0.07, 100), (0.5, 10)])
def test_warm_up_rises_in_a_line_to_a_peak_of_one_and_falls_to_the_floor(warmup, floor, num_steps):
    schedule = WarmupCosine(warmup=warmup, floor=floor)
    factors = schedule.factor(at(torch.arange(num_steps + 1), 10, num_steps))
    peak = round(warmup * num_steps)
    torch.testing.assert_close(factors[peak], torch.tensor(1.0, dtype=torch.float64), rtol=0, atol=1e-14)
    assert int(factors.argmax()) in (peak, peak + 1) and factors.max() <= 1 + 1e-14
    rise = torch.arange(1, peak + 1, dtype=torch.float64) / (peak + 1)
    torch.testing.assert_close(factors[:peak], rise, rtol=1e-12, atol=0)
    assert (factors[: peak + 1].diff() > 0).all() and (factors[peak:].diff() < 0).all()
    middle = schedule.factor(Progress(*[torch.tensor((1 + warmup) / 2, dtype=torch.float64)] * 3, one=1 / num_steps))
    torch.testing.assert_close(middle.item(), (1 + floor) / 2, rtol=1e-12, atol=0)
    torch.testing.assert_close(factors[-1].item(), floor, rtol=0, atol=1e-14)
    later = schedule.factor(at([num_steps + 1, 2 * num_steps], 10, num_steps))
    torch.testing.assert_close(later, torch.full((2,), floor, dtype=torch.float64), rtol=0, atol=1e-14)


def test_without_warm_up_the_first_factor_is_one():
    assert WarmupCosine(warmup=0.0).factor(at(0, 10, 100)) == 1.0


@pytest.mark.parametrize("floor", [0.0, 0.2])
def test_cosine_is_torchs(floor):
    num_steps = 60
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=num_steps, eta_min=floor)
    expected = []
    for _ in range(num_steps + 1):
        expected.append(theirs.get_last_lr()[0])
        optimizer.step()
        theirs.step()
    factors = WarmupCosine(warmup=0.0, floor=floor).factor(at(torch.arange(num_steps + 1), 10, num_steps))
    torch.testing.assert_close(factors, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", SCHEDULES)
def test_knobs_hold_their_defaults(name):
    for field, knob in knobs(SCHEDULES[name]).items():
        assert knob.meaning and knob.low < knob.high and knob.allows(getattr(SCHEDULES[name](), field))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: WarmupCosine(warmup=1.0), "`WarmupCosine(warmup=...)` must lie in [0, 1), got 1.0."),
        (lambda: WarmupCosine(floor=1.5), "`WarmupCosine(floor=...)` must lie in [0, 1], got 1.5."),
        (lambda: InverseTime(decay=-1), "`InverseTime(decay=...)` must lie in [0, inf), got -1."),
    ],
)
def test_laws(make, words):
    with pytest.raises(UsageError) as error:
        make()
    assert str(error.value) == words
