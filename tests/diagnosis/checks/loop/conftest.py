"""Small trainings, and which checks of the loop speak up."""

import pytest
import torch

from thalweg.core import members
from thalweg.diagnosis.checks import loop
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.watching import looks

CHECKS = members(CaseCheck, vars(loop))


@pytest.fixture(autouse=True)
def _a_look_at_every_step(monkeypatch):
    """Keep a crowded machine from deciding how many steps are looked at."""
    monkeypatch.setattr(looks, "ALLOWANCE", 60.0)


@pytest.fixture
def judge(judge_by):
    """Return the findings of all checks of the loop, or of the one that is named."""

    def run(train, code=None):
        return judge_by(CHECKS.values() if code is None else [CHECKS[code]], train, budget=10)

    return run


@pytest.fixture
def codes(judge):
    """Return the codes of all findings."""
    return lambda train: [finding.code for finding in judge(train)]


@pytest.fixture
def blobs():
    """Return rows of four classes that a small network learns within a few dozen steps: (x, y)."""
    draw = torch.Generator().manual_seed(1)
    y = torch.randint(0, 4, (512,), generator=draw)
    centres = torch.tensor([[2.0, 0, 0, 1], [-2, 1, 0, 0], [0, 2, 1, -1], [0, -2, -1, 0]])
    return centres[y] + 0.6 * torch.randn(512, 4, generator=draw), y
