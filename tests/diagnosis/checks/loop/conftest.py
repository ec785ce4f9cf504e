"""Runs a small training under the watch and says which checks of the loop speak up."""

import warnings

import pytest
import torch

from thalweg.core import members
from thalweg.diagnosis.checks import loop
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Watch, looks

CHECKS = members(CaseCheck, vars(loop))


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
def _a_look_at_every_step(monkeypatch):
    """Keep a crowded machine from deciding how many steps are looked at."""
    monkeypatch.setattr(looks, "ALLOWANCE", 60.0)


@pytest.fixture
def judge():
    """Return the findings of all checks of the loop, or of the one that is named."""

    def run(train, code=None):
        case = watched(train)
        facts = Facts(case, budget=10)
        chosen = CHECKS.values() if code is None else [CHECKS[code]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as when a case is judged
            return [finding for check in chosen for finding in check().look(case, facts)]

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
