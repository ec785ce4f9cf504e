"""What every schedule owes, over the whole catalogue."""

import dataclasses
import importlib.util
import math
import tomllib
import typing
from pathlib import Path

import pytest
import tomli_w
import torch

import thalweg.core.words as words_package
from thalweg.core import UsageError, from_plain, knobs, read_component, to_plain
from thalweg.schedules import (
    SCHEDULES,
    ByHand,
    ConstantWarmup,
    Cosine,
    Cyclic,
    Exponential,
    InverseSqrt,
    InverseTime,
    Linear,
    Milestones,
    Polynomial,
    Progress,
    Restarts,
    Sequential,
    Staircase,
    TransformerWarmup,
    Warmup,
    WarmupStableDecay,
    must_fit,
    progress,
)
from thalweg.schedules.clock import Unit

_spec = importlib.util.spec_from_file_location("variants", Path(__file__).with_name("variants.py"))
variants = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(variants)
VARIANTS, SEEN = variants.VARIANTS, variants.SEEN

RUNS = [(1, 1), (1, 7), (3, 10), (7, 49), (100, 1000), (50, 33)]
SIZE = 8


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def schedule(request):
    return request.param


def at(steps, per_epoch, num_steps):
    return progress(torch.as_tensor(steps), steps_per_epoch=per_epoch, num_steps=num_steps, batch_size=SIZE, seen=SEEN)


def test_every_member_is_held_to_the_contract():
    assert set(SCHEDULES) <= {schedule.name for schedule in VARIANTS.values()}


@pytest.mark.parametrize(("per_epoch", "num_steps"), RUNS)
def test_finite_on_the_whole_run_and_positive(schedule, per_epoch, num_steps):
    factors = schedule.factor(at(torch.arange(num_steps + 1), per_epoch, num_steps))
    assert factors.dtype == torch.float64
    assert factors.isfinite().all() and (factors >= 0).all() and (factors <= 1 + 1e-12).all()
    if num_steps > 10:
        assert (factors[:num_steps] > 0).all()


@pytest.mark.parametrize(("per_epoch", "num_steps"), RUNS)
def test_all_at_once_is_one_by_one(schedule, per_epoch, num_steps):
    if num_steps > 100:
        steps = torch.linspace(0, num_steps, 41).round()
    else:
        steps = torch.arange(num_steps + 1)
    together = schedule.factor(at(steps, per_epoch, num_steps))
    alone = [schedule.factor(at(step, per_epoch, num_steps)) for step in steps]
    assert all(factor.shape == () for factor in alone)
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-13, atol=1e-15)  # wide cosines round by themselves


@pytest.mark.parametrize("shape", [(), (0,), (4,), (2, 3), (2, 1, 3)])
def test_any_shape_and_pure(schedule, shape):
    steps = torch.arange(math.prod(shape)).reshape(shape)
    moments = at(steps, 5, 20)
    before = moments.step.clone()
    first = schedule.factor(moments)
    assert first.shape == shape and first.dtype == torch.float64
    torch.testing.assert_close(first, schedule.factor(moments), rtol=0, atol=0)
    torch.testing.assert_close(moments.step, before, rtol=0, atol=0)
    first.fill_(-1.0)
    assert (schedule.factor(moments) >= 0).all()


@pytest.mark.parametrize("step", [10**6, 10**9, 2**53, 10**18])
def test_far_outside_of_the_run(schedule, step):
    factor = schedule.factor(at([step, 2 * step], 5, 20))
    assert factor.isfinite().all() and (factor >= 0).all() and (factor <= 1 + 1e-12).all()


def test_a_run_without_steps(schedule):
    assert schedule.factor(at([0, 1], 1, 0)).isfinite().all()


def test_through_toml_and_back(schedule):
    plain = tomllib.loads(tomli_w.dumps(to_plain(schedule)))
    assert from_plain(SCHEDULES, plain, "schedule") == schedule
    assert hash(schedule) == hash(from_plain(SCHEDULES, plain, "schedule"))


@pytest.mark.parametrize("member", SCHEDULES.values(), ids=SCHEDULES.keys())
def test_knobs_hold_their_defaults_and_choices_are_closed(member):
    defaults = {field.name: field.default for field in dataclasses.fields(member)}
    for field, knob in knobs(member).items():
        assert knob.meaning and knob.low < knob.high
        assert defaults[field] is None or knob.allows(defaults[field])
    hints = typing.get_type_hints(member)
    for field in [name for name, hint in hints.items() if typing.get_origin(hint) is typing.Literal]:
        with pytest.raises(UsageError, match=field):
            member(**{**variants.REQUIRED.get(member.name, {}), field: "fortnights"})
    with pytest.raises(UsageError):
        read_component(SCHEDULES, f"{member.name}(no_such_field=1)", "schedule")


@pytest.mark.parametrize("member", [m for n, m in SCHEDULES.items() if n not in variants.REQUIRED])
def test_as_it_comes_it_fits_into_any_run(member):
    for per_epoch, num_steps in RUNS:
        must_fit(member(), steps_per_epoch=per_epoch, num_steps=num_steps)


PER_EPOCH, EPOCHS = 30, 10
LENGTHS = {  # a tenth of the run, told in each unit
    "share": 0.1,
    "epochs": 1.0,
    "steps": 30.0,
    "samples": 30.0 * SIZE,
}
IN_UNITS = {
    "staircase": lambda tenth, unit: Staircase(every=tenth, unit=unit),
    "milestones": lambda tenth, unit: Milestones(milestones=(tenth, 3 * tenth, 7 * tenth), unit=unit),
    "by-hand": lambda tenth, unit: ByHand(points=((0, 0.1), (3 * tenth, 1), (7 * tenth, 0.3)), unit=unit),
    "by-hand lines": lambda tenth, unit: ByHand(points=((tenth, 1), (7 * tenth, 0.3)), unit=unit, between="lines"),
    "warmup": lambda tenth, unit: Warmup(length=3 * tenth, unit=unit),
    "constant-warmup": lambda tenth, unit: ConstantWarmup(length=3 * tenth, unit=unit),
    "transformer-warmup": lambda tenth, unit: TransformerWarmup(warmup=3 * tenth, unit=unit),
    "cosine": lambda tenth, unit: Cosine(length=7 * tenth, unit=unit),
    "restarts": lambda tenth, unit: Restarts(period=tenth, unit=unit),
    "restarts doubling": lambda tenth, unit: Restarts(period=tenth, growth=2, unit=unit),
    "linear": lambda tenth, unit: Linear(length=7 * tenth, unit=unit),
    "polynomial": lambda tenth, unit: Polynomial(length=7 * tenth, unit=unit),
    "warmup-stable-decay": lambda tenth, unit: WarmupStableDecay(warmup=tenth, decay=3 * tenth, unit=unit),
    "cyclic": lambda tenth, unit: Cyclic(rise=tenth, fall=2 * tenth, unit=unit),
    "sequence": lambda tenth, unit: Sequential(
        parts=(Linear(start=0.3, end=1), Restarts(), Staircase()), lengths=(3 * tenth, 3 * tenth), unit=unit
    ),
    "exponential": lambda tenth, unit: Exponential(gamma=0.2 ** (0.1 / tenth), unit=unit),
    "inverse-time": lambda tenth, unit: InverseTime(decay=0.1 / tenth, unit=unit),
}


def test_every_schedule_with_units_is_told_in_each():
    with_unit = {name for name, m in SCHEDULES.items() if "unit" in [field.name for field in dataclasses.fields(m)]}
    assert {name.partition(" ")[0] for name in IN_UNITS} | {"inverse-sqrt"} == with_unit  # its 1 + t has no scale


@pytest.mark.parametrize("make", IN_UNITS.values(), ids=IN_UNITS.keys())
def test_the_same_time_in_any_unit_is_the_same_schedule(make):
    moments = at(torch.arange(PER_EPOCH * EPOCHS + 1), PER_EPOCH, PER_EPOCH * EPOCHS)
    in_steps = make(LENGTHS["steps"], "steps").factor(moments)
    assert in_steps.unique().numel() > 1
    for unit in typing.get_args(Unit):
        told = make(LENGTHS[unit], unit).factor(moments)
        torch.testing.assert_close(told, in_steps, rtol=1e-12, atol=1e-13)


def test_inverse_sqrt_counts_in_each_unit():
    moments = at([0, 15, 30, 300], PER_EPOCH, PER_EPOCH * EPOCHS)
    counted = {"share": [0, 0.05, 0.1, 1], "epochs": [0, 0.5, 1, 10], "steps": [0, 15, 30, 300]}
    counted["samples"] = [SIZE * step for step in counted["steps"]]
    for unit, t in counted.items():
        expected = torch.tensor([2 / math.sqrt(1 + passed) for passed in t], dtype=torch.float64)
        torch.testing.assert_close(InverseSqrt(k=2, unit=unit).factor(moments), expected, rtol=1e-14, atol=0)
    stairs = InverseSqrt(staircase=True).factor(at([0, 29, 30, 59, 60], PER_EPOCH, PER_EPOCH * EPOCHS))
    expected = [1.0, 1.0, 2**-0.5, 2**-0.5, 3**-0.5]
    torch.testing.assert_close(stairs, torch.tensor(expected, dtype=torch.float64), rtol=1e-14, atol=0)


def test_progress():
    moments = progress(torch.tensor([0, 5, 10, 20]), steps_per_epoch=10, num_steps=20, batch_size=4)
    assert moments.step.tolist() == [0, 5, 10, 20] and moments.step.dtype == torch.float64
    assert moments.epoch.tolist() == moments.elapsed("epochs").tolist() == [0, 0.5, 1, 2]
    assert moments.share.tolist() == moments.elapsed("share").tolist() == [0, 0.25, 0.5, 1]
    assert moments.elapsed("samples").tolist() == [0, 20, 40, 80]
    assert moments.one == 0.05
    assert progress(torch.tensor(0), steps_per_epoch=1, num_steps=20).share == 0
    assert [moments.steps_in(0.3, unit) for unit in ("share", "epochs", "steps")] == [6, 3, 0.3]
    assert progress(torch.tensor(0), steps_per_epoch=100, num_steps=3000).steps_in(0.1 * 3, "share") == 900  # not ...01


def test_window_is_a_run_of_its_own():
    whole = Progress(torch.arange(10.0, dtype=torch.float64), 5, 10, seen={"loss": [(3, 1.0), (4, 2.0), (6, 3.0)]})
    part = whole.window(4, 3)
    assert part.step.tolist() == [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]
    torch.testing.assert_close(part.share, part.step / 3)
    assert part.seen == {"loss": [(2, 3.0)]} and part.steps_per_epoch == 5


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_has_its_line_in_the_catalogue_of_words(lang):
    lines = words_package.catalogue(lang, "schedules")
    assert list(lines) == sorted(SCHEDULES) and all(line and "{" not in line for line in lines.values())
