"""The governor's arithmetic, on a clock of our own."""

import pytest

from thalweg.signals import Governor, governor


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(governor.time, "perf_counter", lambda: now[0])

    def measure(keeper, seconds):
        with keeper.measuring():
            now[0] += seconds

    return measure


def test_the_first_is_always_allowed():
    assert Governor(0.0).allows(0.0)


def test_the_next_waits_until_it_fits_too(clock):
    keeper = Governor(0.02)
    clock(keeper, 0.5)
    assert (keeper.spent, keeper.count) == (0.5, 1)
    assert not keeper.allows(0.0)
    assert not keeper.allows(50.0)  # 0.5 spent and 0.5 to come would be all of 2 % of 50 s
    assert keeper.allows(50.1)
    clock(keeper, 0.1)
    assert not keeper.allows(34.9) and keeper.allows(35.1)  # what one costs is taken from the last


def test_a_share_of_nothing_allows_one_only(clock):
    keeper = Governor(0.0)
    clock(keeper, 0.1)
    assert not keeper.allows(1e9)


def test_a_measurement_that_fails_has_cost_its_time(clock):
    keeper = Governor(0.5)
    with pytest.raises(ZeroDivisionError), keeper.measuring():
        clock(keeper, 2.0)
        raise ZeroDivisionError
    assert keeper.count == 2 and keeper.spent == 4.0


def test_spends_its_share_over_a_run(clock):
    keeper, trained = Governor(0.05), 0.0
    for _ in range(100_000):
        trained += 0.01
        if keeper.allows(trained):
            clock(keeper, 0.03)
    assert 0.045 * trained < keeper.spent <= 0.05 * trained
