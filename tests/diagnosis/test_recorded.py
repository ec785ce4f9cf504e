"""Runs of ours, judged by what they wrote down."""

import pytest

import thalweg as tw
from thalweg.core import RunError, UsageError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: tw.train("digits", tw.mlp(16), rule=tw.rules.SGD(lr=rate), epochs=3, out=folder / name)
        for name, rate in (("well", 0.05), ("sick", 1e6))
    }


def test_a_run_and_its_folder_get_one_answer(runs):
    for run in runs.values():
        told = tw.diagnose(run)
        assert told.to_plain() == tw.diagnose(run.path).to_plain() == tw.diagnose(str(run.path)).to_plain()
        assert told.steps == len(told.losses) > 0


def test_a_rate_far_too_high_is_an_alarm(runs):
    assert tw.diagnose(runs["well"]).verdict == "healthy" and tw.diagnose(runs["sick"]).verdict == "sick"


def test_what_is_no_run(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        tw.diagnose(tmp_path)
    with pytest.raises(UsageError, match=r"tw\.watch"):
        tw.diagnose(3)
