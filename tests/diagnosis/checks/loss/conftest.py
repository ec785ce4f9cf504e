"""Trains small networks under the watch and lets every check of losses look at them."""

import pytest
import torch

from thalweg.core import members
from thalweg.diagnosis.checks import loss
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Watch

CHECKS = members(CaseCheck, vars(loss))


def watch(step, parameters, *, steps=16, rate=0.01, rule=torch.optim.Adam, **settings):
    """Take steps down `step(k) -> loss` under the watch and return the case."""
    watching = Watch()
    watching.attach()
    try:
        optimizer = rule(parameters, lr=rate, **settings)
        for k in range(steps):
            optimizer.zero_grad()
            step(k).backward()
            optimizer.step()
    finally:
        watching.detach()
    return watching.case()


def findings(case):
    facts = Facts(case, budget=20)
    return [finding for check in CHECKS.values() for finding in check().look(case, facts)]


@pytest.fixture
def watched():
    return watch


@pytest.fixture
def found():
    return findings


@pytest.fixture
def checks():
    return CHECKS


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
