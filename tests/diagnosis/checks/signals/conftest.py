"""Tiny networks, and which checks of signals, and of the curve alone, speak up."""

import pytest
import torch
import torch.nn.functional as F

from thalweg.core import members
from thalweg.diagnosis.checks import shapes, signals
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.signals import numbers

CHECKS = {**members(CaseCheck, vars(signals)), **members(CaseCheck, vars(shapes))}


@pytest.fixture(autouse=True)
def _no_clock_decides(first_steps_only, monkeypatch):
    monkeypatch.setattr(numbers, "_AGAIN", 600.0)


@pytest.fixture
def judge(judge_by):
    """Return the findings of all checks of these families for a training."""
    return lambda train: judge_by(CHECKS.values(), train, sound=lambda facts: facts.playable and facts.case.start)


@pytest.fixture
def checks():
    return CHECKS


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
