"""Trains tiny networks under the watch and says which checks of signals, and of the curve alone, speak up."""

import inspect
import warnings

import pytest
import torch
import torch.nn.functional as F

from thalweg.core import members
from thalweg.diagnosis.checks import shapes, signals
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.signals import numbers
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Watch, looks

CHECKS = {**members(CaseCheck, vars(signals)), **members(CaseCheck, vars(shapes))}


def watched(train):
    """Return the case of a training: a function that builds everything and runs it."""
    torch.manual_seed(0)
    watch = Watch()
    watch.attach()
    try:
        kept = train()  # what it returns stays alive while it is judged, as a script's own variables do
    finally:
        watch.detach()
    case = watch.case()
    assert case.faults == [] and kept is not None
    return case


@pytest.fixture(autouse=True)
def _no_clock_decides(monkeypatch):
    """Look at the first steps and no others, however crowded the machine is."""
    monkeypatch.setattr(looks, "EARLY", 8)
    monkeypatch.setattr(looks, "ALLOWANCE", -1e9)
    monkeypatch.setattr(numbers, "_AGAIN", 600.0)


@pytest.fixture
def judge():
    """Return the findings of all checks of these families for a training."""

    def run(train):
        facts = Facts(watched(train), budget=600)
        assert facts.playable and facts.case.start  # else silence would say nothing
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as when a case is judged
            return [finding for check in CHECKS.values() for finding in check().look(facts.case, facts)]

    return run


@pytest.fixture
def checks():
    return CHECKS


@pytest.fixture
def line_of():
    """Return the line of a function's source that holds a text."""

    def find(function, text):
        lines, first = inspect.getsourcelines(function)
        return first + next(k for k, line in enumerate(lines) if text in line)

    return find


@pytest.fixture
def fit():
    """Return a loop that trains a model on rows: `fit(model, x, y, loss=..., steps=..., rate=...)`."""

    def run(model, x, y, *, loss=F.cross_entropy, steps=60, rate=0.01, rule=torch.optim.SGD, size=32):
        optimizer = rule(model.parameters(), lr=rate)
        for k in range(steps):
            rows = slice(size * k % len(x), size * k % len(x) + size)
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        return model

    return run


@pytest.fixture
def blobs():
    """Return rows of four classes that a small network learns within a few dozen steps: (x, y)."""
    draw = torch.Generator().manual_seed(1)
    y = torch.randint(0, 4, (256,), generator=draw)
    centres = torch.tensor([[2.0, 0, 0, 1], [-2, 1, 0, 0], [0, 2, 1, -1], [0, -2, -1, 0]])
    return centres[y] + 0.6 * torch.randn(256, 4, generator=draw), y


@pytest.fixture
def rings():
    """Return points in the plane and whether they lie in the inner disc: (x, y)."""
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(384, 2, generator=draw)
    return x, (x.square().sum(1) < 1.4).long()
