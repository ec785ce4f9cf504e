"""What tests of checks share: a small training under the watch, and the findings of a family of checks for it."""

import inspect
import itertools
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from thalweg.core import members
from thalweg.diagnosis import bench
from thalweg.diagnosis.checks import data, training
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Watch, looks
from thalweg.findings import Severity

KEPT = []  # what was trained lives on, as in a script
DECIDED = {**members(CaseCheck, vars(data)), **members(CaseCheck, vars(training))}


# -- a function that builds everything and runs it


def case_of(train):
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


@pytest.fixture
def watched():
    return case_of


@pytest.fixture
def judge_by():
    """Return the findings of checks for a training: `judge_by(checks, train)`; `sound(facts)` must hold, else silence
    would say nothing.
    """

    def run(checks, train, *, budget=600, sound=lambda facts: facts is not None):
        facts = Facts(case_of(train), budget=budget)
        assert sound(facts)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as when a case is judged
            return [finding for check in checks for finding in check().look(facts.case, facts)]

    return run


@pytest.fixture
def first_steps_only(monkeypatch):
    """Look at the first steps and no others, however crowded the machine is."""
    monkeypatch.setattr(looks, "EARLY", 8)
    monkeypatch.setattr(looks, "ALLOWANCE", -1e9)


@pytest.fixture
def line_of():
    """Return the line of a function's source that holds a text."""

    def find(function, text):
        lines, first = inspect.getsourcelines(function)
        return first + next(k for k, line in enumerate(lines) if text in line)

    return find


# -- one loop, given its parts, for what experiments decide


@pytest.fixture
def no_clock_decides(monkeypatch):
    """Look at the same steps and end no experiment early, however crowded the machine is."""
    may_look = looks.Looks.may_look
    monkeypatch.setattr(looks, "ALLOWANCE", 600.0)
    monkeypatch.setattr(
        looks.Looks, "may_look", lambda self: may_look(self) and (self._steps() < 9 or self._steps() % 20 == 0)
    )
    monkeypatch.setattr(bench, "_SECONDS", 600.0)
    monkeypatch.setattr(bench, "_SEEDS", 1)  # to be quick
    torch.manual_seed(0)


def draw(count, width=4, seed=1):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def wavy(x):
    """Return what a small network learns of rows within a hundred steps: (N, 1), spread about 1."""
    return 1.2 * torch.tanh(2 * x[:, :1]) + 0.7 * x[:, 1:2]


def small(width=4, out=1, hidden=32):
    return nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, out))


def run(optimizer, *, x=None, y=None, model=None, loss=F.mse_loss, steps=160, size=32, schedule=None, each=1,
        look_at=None, shuffle=True, last=None):  # fmt: skip
    """Train under the watch and return the case; `optimizer` is made of parameters, `schedule` of the optimizer.

    `model()` makes the network. The schedule goes on after every `each` steps; `look_at(model)` is called without
    gradients every ten steps, `last(model)` when training has ended.
    """
    x = draw(256) if x is None else x
    y = wavy(x) if y is None else y
    watch = Watch()
    watch.attach()
    try:
        model = small(x.shape[1], 1 if y.is_floating_point() else int(y.max()) + 1) if model is None else model()
        rule = optimizer(model.parameters())
        plan = schedule(rule) if schedule else None
        for step, (rows, wanted) in enumerate(itertools.islice(batches(x, y, size, shuffle), steps)):
            rule.zero_grad()
            loss(model(rows), wanted).backward()
            rule.step()
            if plan is not None and step % each == each - 1:
                plan.step()
            if look_at is not None and step % 10 == 9:
                with torch.no_grad():
                    look_at(model)
        if last is not None:
            last(model)
    finally:
        watch.detach()
    case = watch.case()
    assert case.faults == []
    KEPT.append((model, rule, plan))
    return case


def batches(x, y, size, shuffle):
    generator = torch.Generator().manual_seed(2)
    while True:
        order = torch.randperm(len(x), generator=generator) if shuffle else torch.arange(len(x))
        for start in range(0, len(x) - size + 1, size):
            part = order[start : start + size]
            yield x[part], y[part]


def look(case, *names):
    """Return what checks find, all of both families where none is named."""
    facts = Facts(case, budget=1e6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as when a case is judged
        return [f for name in names or DECIDED for f in DECIDED[name]().look(case, facts)]


@pytest.fixture
def refuted():
    """Return whether a check put its cause to the test and found that it is not the one."""

    def refute(case, name):
        facts = Facts(case, budget=1e6)
        silent = DECIDED[name]().look(case, facts) == []
        return silent and [h.holds for h in facts.hypotheses if h.code == name] == [False]

    return refute


@pytest.fixture
def train():
    return run


@pytest.fixture
def found():
    return look


@pytest.fixture
def alarms():
    """Return the codes of all alarms."""
    return lambda case: [f.code for f in look(case) if f.severity is not Severity.NOTE]


@pytest.fixture
def rows():
    return draw


@pytest.fixture
def target():
    return wavy


@pytest.fixture
def net():
    return small


@pytest.fixture
def blobs():
    """Return rows of three classes, `noise` of their distance wide: (x, y)."""

    def make(count=256, noise=0.6, seed=3):
        generator = torch.Generator().manual_seed(seed)
        y = torch.randint(0, 3, (count,), generator=generator)
        centres = torch.tensor([[2.0, 0, 0, 1], [-2, 1, 0, 0], [0, 2, 1, -1]])
        return centres[y] + noise * torch.randn(count, 4, generator=generator), y

    return make
