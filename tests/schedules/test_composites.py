"""Sequences and products: each against the parts walked one by one; plateaus inside; what must fit into a run."""

import pytest
import torch

from thalweg.core import UsageError, read_component
from thalweg.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    Linear,
    OneCycle,
    Plateau,
    Product,
    Restarts,
    Sequential,
    Staircase,
    Warmup,
    WarmupCosine,
    metrics_read,
    must_fit,
    progress,
)

SEEN = {"loss": [(step, value) for step, value in zip(range(10, 110, 10), [5, 4, 4, 4, 4, 3, 3, 3, 3, 3], strict=True)]}


def at(steps, per_epoch=10, num_steps=100, seen=SEEN, batch_size=4):
    return progress(
        torch.as_tensor(steps), steps_per_epoch=per_epoch, num_steps=num_steps, seen=seen, batch_size=batch_size
    )


def read(text):
    return read_component(SCHEDULES, text, "schedule")


@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize(("warmup", "num_steps"), [(0.05, 1000), (0.2, 50), (0.05, 33), (0.5, 10)])
def test_warm_up_then_cosine_is_the_default(warmup, floor, num_steps):
    """Even where the warm-up ends between two steps."""
    moments = at(torch.arange(num_steps + 1), num_steps=num_steps)
    sequence = Sequential(parts=(Warmup(length=warmup), Cosine(floor=floor)))
    expected = WarmupCosine(warmup=warmup, floor=floor).factor(moments)
    torch.testing.assert_close(sequence.factor(moments), expected, rtol=1e-12, atol=1e-15)


def test_each_part_has_its_own_run():
    """With lengths, what a part calls its run is its part: the shares of OneCycle and Restarts are of it."""
    parts = (OneCycle(), Restarts(period=0.5), Cosine())
    sequence = Sequential(parts=parts, lengths=(2, 3), unit="epochs")
    factors = sequence.factor(at(torch.arange(100)))
    alone = [
        part.factor(at(torch.arange(length), num_steps=length))
        for part, length in zip(parts, (20, 30, 50), strict=True)
    ]
    torch.testing.assert_close(factors, torch.cat(alone), rtol=1e-12, atol=1e-15)


def test_without_lengths_parts_last_as_long_as_they_say():
    sequence = read("sequence(parts=[warmup(length=1, unit=epochs), linear(end=0.5, length=0.3), exponential])")
    factors = sequence.factor(at(torch.arange(100)))
    rise = [(k + 1) / 11 for k in range(10)]
    line = [1 - 0.5 * k / 30 for k in range(30)]
    fall = [0.95 ** (k / 10) for k in range(60)]
    torch.testing.assert_close(factors, torch.tensor(rise + line + fall, dtype=torch.float64), rtol=1e-12, atol=0)


def test_the_last_part_goes_on():
    sequence = Sequential(parts=(Constant(), Linear(end=0.25)), lengths=(0.2, 0.5), unit="share")
    factors = sequence.factor(at([0, 19, 20, 45, 70, 99, 10_000]))
    assert factors.tolist() == [1, 1, 1, 0.625, 0.25, 0.25, 0.25]


def test_a_product_is_a_product():
    moments = at(torch.arange(101))
    parts = (WarmupCosine(), Staircase(), Plateau(patience=1))
    expected = parts[0].factor(moments) * parts[1].factor(moments) * parts[2].factor(moments)
    torch.testing.assert_close(Product(parts=parts).factor(moments), expected, rtol=0, atol=0)


def test_a_plateau_falls_at_the_evaluation_that_decides_it():
    """Best 4 at step 20; 4 again at 30 and 40: patience 1 is over with the second, and the step after it is smaller."""
    factors = Plateau(patience=1, gamma=0.5).factor(at([0, 20, 39, 40, 41, 79, 80, 100]))
    assert factors.tolist() == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.125]


def test_a_moment_knows_nothing_of_what_is_measured_later():
    """So a run that goes on after a pause, with all it has seen, sets the very rates that it would have set."""
    schedule = read("sequence(parts=[warmup(length=1, unit=epochs), product(parts=[cosine, plateau(patience=0)])])")
    whole = schedule.factor(at(torch.arange(101)))
    for step in range(101):
        seen = {"loss": [row for row in SEEN["loss"] if row[0] <= step]}
        torch.testing.assert_close(schedule.factor(at(step, seen=seen)), whole[step], rtol=0, atol=0)
    assert (whole[-2] < 0.01 * Cosine().factor(at(99))).all()


def test_a_plateau_without_evaluations_stays():
    assert Plateau().factor(at([0, 50], seen={})).tolist() == [1, 1]
    assert Plateau(metric="auc", better="higher").factor(at([0, 50])).tolist() == [1, 1]


def test_a_plateau_in_a_sequence_begins_anew():
    """It waits from its own start: what was measured up to there is not its business."""
    sequence = Sequential(parts=(Constant(), Plateau(patience=1, gamma=0.5)), lengths=(5,), unit="epochs")
    factors = sequence.factor(at([0, 49, 50, 79, 80, 100]))
    assert factors.tolist() == [1, 1, 1, 1, 0.5, 0.25]  # best 3 at 60; 70 and 80 wait, 90 and 100 again


def test_metrics_read():
    assert metrics_read(WarmupCosine()) == ()
    assert metrics_read(Plateau()) == ("loss",)
    nested = read(
        "sequence(parts=[warmup, product(parts=[plateau, plateau(metric=accuracy, better=higher), plateau])])"
    )
    assert metrics_read(nested) == ("loss", "accuracy")


TOO_LONG = {
    "warmup(length=10, unit=epochs)": (
        "`Warmup(length=10.0, unit='epochs')` must fit into the run (5 epochs), got 10 epochs; shorten it, or train "
        "for longer (epochs=...)."
    ),
    "milestones(milestones=[30, 60], unit=epochs)": (
        "`Milestones(milestones=(30.0, 60.0), unit='epochs')` must fit into the run (5 epochs), got 60 epochs; shorten "
        "it, or train for longer (epochs=...)."
    ),
    "warmup(length=5)": (
        "`Warmup(length=5.0)` must fit into the run (50 steps), got 250 steps; shares add up to at most 1; for epochs "
        "say unit='epochs'."
    ),
    "warmup-stable-decay(warmup=30, decay=30, unit=steps)": (
        "`WarmupStableDecay(warmup=30.0, decay=30.0, unit='steps')` must fit into the run (50 steps), got 60 steps; "
        "shorten it, or train for longer (epochs=...)."
    ),
    "product(parts=[plateau, cosine(length=400, unit=samples)])": (
        "`Cosine(length=400.0, unit='samples')` must fit into the run (200 samples), got 400 samples; shorten it, or "
        "train for longer (epochs=...)."
    ),
    "sequence(parts=[warmup, cosine, constant], lengths=[3, 3])": (
        "`Sequential(parts=(Warmup, Cosine, Constant), lengths=(3.0, 3.0))` must fit into the run (5 epochs), got 6 "
        "epochs; shorten it, or train for longer (epochs=...)."
    ),
    "sequence(parts=[warmup(length=2, unit=epochs), cosine], lengths=[1])": (
        "`Warmup(length=2.0, unit='epochs')` must fit into its part of the sequence (1 epochs), got 2 epochs; shorten "
        "it, or train for longer (epochs=...)."
    ),
    "sequence(parts=[warmup(length=5, unit=epochs), cosine])": (
        "`Sequential(parts=(Warmup, Cosine))` must leave something of the run (5 epochs) to its last part, 'cosine', "
        "got nothing; shorten the parts before it, or train for longer (epochs=...)."
    ),
}  # fmt: skip
FITTING = [
    "warmup(length=5, unit=epochs)",
    "milestones(milestones=[1, 5], unit=epochs)",
    "warmup-stable-decay(warmup=0.3, decay=0.7)",
    "by-hand(points=[[0, 1], [200, 0.5]], unit=samples)",
    "sequence(parts=[warmup, cosine], lengths=[2, 3])",
    "sequence(parts=[warmup, cosine], lengths=[0, 5])",
    "sequence(parts=[warmup(length=0.3), cosine(length=0.6), constant])",
    "product(parts=[sequence(parts=[warmup, cosine]), plateau])",
]


@pytest.mark.parametrize("text", TOO_LONG)
def test_too_long(text):
    with pytest.raises(UsageError) as error:
        must_fit(read(text), steps_per_epoch=10, num_steps=50, batch_size=4)
    assert str(error.value) == TOO_LONG[text]


@pytest.mark.parametrize("text", FITTING)
def test_fits(text):
    must_fit(read(text), steps_per_epoch=10, num_steps=50, batch_size=4)


def test_composites_take_names_and_lists():
    assert Product(parts=["warmup", Exponential()]) == Product(parts=(Warmup(), Exponential()))
    assert read("sequence(parts=[warmup(length=5, unit=epochs), cosine])") == Sequential(
        parts=(Warmup(length=5.0, unit="epochs"), Cosine())
    )
