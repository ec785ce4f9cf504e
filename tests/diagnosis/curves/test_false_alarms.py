"""No rule calls a healthy curve sick, over hundreds of curves of known truth; and each sees what it is for."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from thalweg.diagnosis import curves

_spec = importlib.util.spec_from_file_location("makers", Path(__file__).with_name("makers.py"))
makers = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(makers)

MANY = 200


def alarms(loss, lr=None, starts=None):
    """Return the names of all that would be told of a sick curve."""
    climb, sinking = curves.divergence(loss).climb, curves.divergence(loss).sinking
    rest, bounce = curves.stillness(loss, epoch_starts=starts), curves.bouncing(loss, epoch_starts=starts)
    plan, speed = curves.outlook(loss, lr, epoch_starts=starts), curves.pace(loss, epoch_starts=starts)
    starved = None if lr is None else curves.starvation(loss, lr)
    found = {
        "rose": curves.shape(loss, epoch_starts=starts).rose,
        "stayed": climb is not None and climb.stayed,
        "endless": sinking is not None and sinking.endless,
        "never moved": rest.never_moved,
        "constant": rest.constant,
        "bounces": bounce is not None and bounce.bounces,
        "large": plan is not None and plan.large,
        "creeping": speed.creeping,
        "cut short": speed.cut_short,
        "starved": starved is not None and (starved.starved or starved.stranded),
    }
    return {name for name, is_so in found.items() if is_so}


def counted(make, many=MANY):
    found = {}
    for seed in range(many):
        for name in make(np.random.default_rng(seed)):
            found[name] = found.get(name, 0) + 1
    return found


def test_healthy_curves_raise_no_alarm():
    found = counted(lambda rng: alarms(*makers.healthy(rng)[:3]))
    assert max(found.values(), default=0) <= 0.01 * MANY, found


def test_healthy_short_curves_raise_no_alarm():
    found = counted(lambda rng: alarms(*makers.healthy(rng, int(rng.integers(5, 60)))[:3]))
    assert max(found.values(), default=0) <= 0.01 * MANY, found


def test_flat_curves_neither_fall_nor_rise():
    def moved(rng):
        found = curves.shape(makers.flat(rng)[0])
        return {"moved"} if found.fell or found.rose else set()

    assert counted(moved, 300).get("moved", 0) <= 3


def test_flat_curves_are_seen_to_stand_still():
    seen = counted(lambda rng: alarms(makers.flat(rng, 500, relative=0.05)[0]), 50)
    assert seen.pop("never moved") >= 47 and max(seen.values(), default=0) <= 1


def test_the_trivial_loss_is_recognised():
    def found(rng):
        loss, level = makers.flat(rng, 400, relative=0.05)
        assert curves.stillness(loss, floor=1.3 * level).at_floor is False
        return {"at"} if curves.stillness(loss, floor=level).at_floor else set()

    assert counted(found, 60)["at"] >= 58


@pytest.mark.parametrize("steps", [60, 400])
def test_a_run_that_stops_on_the_steep_part_is_seen(steps):
    def seen(rng):
        return alarms(makers.noisy(rng, 3 * np.exp(-np.linspace(0, rng.uniform(0.6, 1.2), steps)), relative=0.03))

    assert counted(seen, 60).get("large", 0) >= 54


def test_a_fixed_order_of_data_is_no_fall_and_no_bounce():
    def seen(rng):
        epoch = int(rng.integers(4, 40))
        pattern = 0.3 * rng.normal(size=epoch)
        loss = np.resize(2 + pattern, 20 * epoch) + 0.02 * rng.normal(size=20 * epoch)
        starts = range(0, 20 * epoch, epoch)
        assert curves.shape(loss, epoch_starts=starts).repeat == epoch
        return alarms(loss, None, starts) | ({"fell"} if curves.shape(loss, epoch_starts=starts).fell else set())

    found = counted(seen, 60)
    assert found.pop("never moved") >= 59 and max(found.values(), default=0) <= 1, found


def test_the_cost_is_small():
    import time

    rng = np.random.default_rng(0)
    n = 100_000
    loss = makers.noisy(rng, 0.1 + np.exp(-np.arange(n) / 2e4), kind="gamma")
    begin = time.process_time()
    alarms(loss, 0.9999 ** np.arange(n), range(0, n, 100))
    assert time.process_time() - begin < 2  # ten facts; measured 0.2
