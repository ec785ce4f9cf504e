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
    found = judge(watch.case(), budget=5)
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


def targets(x):
    return (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def rows(count=256):
    x = torch.randn(count, 4, generator=torch.Generator().manual_seed(3))
    return x, targets(x)


def epochs(inner, *, count=20):
    model, optimizer = parts()
    x, y = rows()
    for _ in range(count):
        for part in torch.arange(len(x)).split(16):
            inner(model, optimizer, x[part], y[part])
        if inner is not attacked:
            optimizer.step()
    return model, optimizer


def cleared_each(model, optimizer, x, y):
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()


def gathered(model, optimizer, x, y):
    nn.functional.cross_entropy(model(x), y).div(16).backward()


def attacked(model, optimizer, x, y):
    for _ in range(5):
        x = x.detach().requires_grad_()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        x = x + 0.01 * x.grad.sign()
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x.detach()), y).backward()
    optimizer.step()


def test_a_step_outside_of_the_loop_over_batches():
    found = judged(lambda: epochs(cleared_each))
    first = found.findings[0]
    assert (first.code, first.cause.key) == ("parameters-not-optimized", "loop_checks.rarely-stepped")
    assert first.cause.values == {"discarded": 300, "count": 320, "steps": 20}
    assert len(found.losses) == 20 and max(found.losses) < 2  # of the batch that the step was taken by


@pytest.mark.parametrize("inner", [gathered, attacked])
def test_gradients_that_are_gathered_or_asked_for_by_inputs(inner):
    codes = [f.cause.key for f in judged(lambda: epochs(inner)).findings]
    assert "loop_checks.rarely-stepped" not in codes


def remade(rule, *, each, steps=60, **settings):
    model, _ = parts()
    x, y = rows()
    for step in range(steps):
        if step % each == 0:
            optimizer = rule(model.parameters(), lr=0.01, **settings)
        optimizer.zero_grad()
        part = torch.randint(0, len(x), (16,))
        nn.functional.cross_entropy(model(x[part]), y[part]).backward()
        optimizer.step()
    return model, optimizer


def test_an_optimizer_made_anew_at_each_step():
    found = judged(lambda: remade(torch.optim.Adam, each=1))
    assert [f.cause.key for f in found.findings] == ["causes.remade"] and found.steps == 60
    assert found.optimizers == ("Adam(lr=0.01)",)


@pytest.mark.parametrize(
    "work",
    [
        lambda: remade(torch.optim.SGD, each=1),  # has no memory to lose
        lambda: remade(torch.optim.Adam, each=20),
        lambda: remade(torch.optim.SGD, each=60, momentum=0.9),
    ],
)
def test_an_optimizer_that_loses_little(work):
    assert "causes.remade" not in [f.cause.key for f in judged(work).findings]
