"""Loops that make gradients and take no step, and those that have a reason to."""

import pytest
import torch
from torch import nn

from thalweg.diagnosis.judging import judge
from thalweg.diagnosis.watching import Watch

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
Y = torch.randint(0, 3, (64,), generator=torch.Generator().manual_seed(2))


def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def judged(work):
    watch = Watch()
    watch.attach()
    try:
        kept = work()
    finally:
        watch.detach()
    found = judge(watch.case(), budget=0)
    assert watch.case().faults == [] and kept is not None
    return found


def send(model, optimizer, *, times=20, last=True):
    for _ in range(times):
        if not last:
            optimizer.zero_grad()
        nn.functional.cross_entropy(model(X), Y).backward()
        if last:
            optimizer.zero_grad()
    return model, optimizer


@pytest.mark.parametrize("last", [True, False])
def test_gradients_that_nobody_uses(last):
    found = judged(lambda: send(*parts(), last=last))
    assert found.verdict == "sick" and [f.code for f in found.findings] == ["parameters-not-optimized"]
    assert found.findings[0].cause.values == {"count": 20, "name": "Adam"} and found.unseen == ()
    assert found.findings[0].where.file == __file__ and found.findings[0].where.line == 36


def test_a_few_gradients_are_a_look():
    assert judged(lambda: send(*parts(), times=5)).findings == ()


def test_gradients_of_inputs():
    def saliency():
        model, optimizer = parts()
        model.requires_grad_(False)
        for _ in range(20):
            x = X.clone().requires_grad_()
            model(x).max(1).values.sum().backward()
        return model, optimizer

    assert judged(saliency).findings == ()


def test_weights_that_are_moved_by_hand_beside_an_idle_optimizer():
    def by_hand():
        model, optimizer = parts()
        for _ in range(20):
            nn.functional.cross_entropy(model(X), Y).backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
                    p.grad = None
        return model, optimizer

    assert judged(by_hand).findings == ()
