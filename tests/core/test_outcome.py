"""Each outcome is a word of its own, as it stands in records."""

from thalweg.core import Outcome


def test_outcomes_are_what_records_hold():
    assert {outcome.value for outcome in Outcome} == {
        "running", "finished", "stopped-early", "diverged", "stalled", "pruned", "interrupted", "budget",
    }  # fmt: skip
    assert Outcome("stopped-early") is Outcome.STOPPED_EARLY == "stopped-early"
