"""Tiny networks, and which checks of dependences speak up."""

import pytest
import torch
import torch.nn.functional as F

from thalweg.core import members
from thalweg.diagnosis import bench
from thalweg.diagnosis.checks import dependence
from thalweg.diagnosis.checks.base import CaseCheck

CHECKS = members(CaseCheck, vars(dependence))


@pytest.fixture(autouse=True)
def _no_clock_decides(first_steps_only, monkeypatch):
    monkeypatch.setattr(bench, "_SECONDS", 600.0)


@pytest.fixture
def judge(judge_by):
    """Return the findings of all checks of the family for a training."""
    return lambda train: judge_by(CHECKS.values(), train, sound=lambda facts: facts.playable and facts.meets)


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
