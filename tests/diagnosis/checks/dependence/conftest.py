"""Trains tiny networks under the watch and says which checks of dependences speak up."""

import inspect
import warnings

import pytest
import torch
import torch.nn.functional as F

from thalweg.core import members
from thalweg.diagnosis import bench
from thalweg.diagnosis.checks import dependence
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Watch, looks

CHECKS = members(CaseCheck, vars(dependence))


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
    """Look at the first steps and no others, and let experiments end by their steps, however crowded the machine is."""
    monkeypatch.setattr(looks, "EARLY", 8)
    monkeypatch.setattr(looks, "ALLOWANCE", -1e9)
    monkeypatch.setattr(bench, "_SECONDS", 600.0)


@pytest.fixture
def judge():
    """Return the findings of all checks of the family for a training."""

    def run(train):
        facts = Facts(watched(train), budget=600)
        assert facts.playable and facts.meets  # else silence would say nothing
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as when a case is judged
            return [finding for check in CHECKS.values() for finding in check().look(facts.case, facts)]

    return run


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

    def run(model, x, y, *, loss=F.cross_entropy, steps=12, rate=0.01, size=16):
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        for k in range(steps):
            rows = slice(size * k % len(x), size * k % len(x) + size)
            optimizer.zero_grad()
            loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
        return model

    return run
