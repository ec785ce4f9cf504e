"""A watch inside a loop: the same numbers, one answer, and clear words for what cannot be."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import thalweg as tw
from thalweg.core import UsageError

X = torch.randn(256, 6, generator=torch.Generator().manual_seed(1))
Y = (X[:, 0] * X[:, 1] > 0).long()


def parts(lr=0.05):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 2))
    return model, torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)


def loop(model, optimizer, *, steps=120, clear=True, stop=None):
    for step in range(steps):
        rows = torch.randint(0, 256, (32,))
        if clear:
            optimizer.zero_grad()
        F.cross_entropy(model(X[rows]), Y[rows]).backward()
        optimizer.step()
        if step == stop:
            raise RuntimeError("my own")
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_the_numbers_are_the_same_to_the_last_bit():
    alone = loop(*parts())
    model, optimizer = parts()
    with tw.watch(model, optimizer):
        watched = loop(model, optimizer)
    assert torch.equal(alone, watched)


def test_a_fault_is_named_with_its_line_and_judging_gives_the_weights_back():
    model, optimizer = parts(lr=0.01)
    with tw.watch(model, optimizer) as watch:
        after = loop(model, optimizer, clear=False)
    found = watch.findings()
    assert found[0].code == "missing-zero-grad" and found[0].where.file == __file__
    assert torch.equal(after, torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert watch.diagnose() is watch.diagnose() and watch.diagnose().verdict == "sick"


def test_a_healthy_loop_raises_no_alarm():
    model, optimizer = parts()
    with tw.watch(model, optimizer) as watch:
        loop(model, optimizer, steps=400)
    assert watch.diagnose().verdict == "healthy" and watch.case.faults == []


def test_an_exception_is_the_loops_own_and_what_was_seen_is_kept():
    model, optimizer = parts()
    with pytest.raises(RuntimeError, match="my own"), tw.watch(model, optimizer) as watch:
        loop(model, optimizer, stop=60)
    assert watch.diagnose().steps == 61 and not watch.case.finished


def test_nothing_stays_behind():
    was = (torch.Tensor.backward, nn.Module.__call__, torch.optim.SGD.step)
    model, optimizer = parts()
    with tw.watch(model, optimizer):
        loop(model, optimizer, steps=5)
    assert (torch.Tensor.backward, nn.Module.__call__, torch.optim.SGD.step) == was
    assert not any(p._backward_hooks for p in model.parameters())


def test_wrong_use_names_its_cure():
    model, optimizer = parts()
    with pytest.raises(UsageError, match="give the model and its optimizer"):
        tw.watch("model")
    with tw.watch(model) as watch:
        with pytest.raises(UsageError, match="after the `with` block"):
            watch.diagnose()
        with pytest.raises(UsageError, match="leave the other `with` first"), tw.watch(model, optimizer):
            pass
