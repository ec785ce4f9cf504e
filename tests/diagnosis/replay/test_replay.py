"""Looks run again: the losses are those that were recorded, experiments leave nothing behind."""

import copy
import random
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from thalweg.diagnosis import replay
from thalweg.diagnosis.watching import Watch

STEPS = 4


def watched(model, optimizer, loss_of, *, steps=STEPS):
    """Train under a watch; return the case and the weights before each step."""
    watch, before = Watch(), []
    watch.attach()
    try:
        optimizer = optimizer(model.parameters())
        for _ in range(steps):
            before.append(copy.deepcopy(model.state_dict()))
            if isinstance(optimizer, torch.optim.LBFGS):
                optimizer.step(lambda: _backward(optimizer, loss_of))
            else:
                _backward(optimizer, loss_of)
                optimizer.step()
    finally:
        watch.detach()
    case = watch.case()
    assert case.faults == [] and [look.step for look in case.looks] == list(range(steps))
    return case, before


def _backward(optimizer, loss_of):
    optimizer.zero_grad()
    loss = loss_of()
    loss.backward()
    return loss


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def lbfgs(parameters):
    return torch.optim.LBFGS(parameters, lr=0.3, max_iter=4)


def fresh_rows():
    x = torch.randn(12, 5)
    return x, x.sum(1, keepdim=True).sin()


class Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, grad):
        return grad * 0.7


def plain():
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=True), nn.Linear(8, 1))

    def loss_of():
        x, y = fresh_rows()
        return F.mse_loss(model((x - x.mean(0)) / x.std(0)), y)

    return model, loss_of


def batch_normed():
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 1))

    def loss_of():
        x, y = fresh_rows()
        x /= 2
        x[:, 0] = 0
        return (model(x) - y).abs().mean()

    return model, loss_of


def views_in_place():
    model = nn.ModuleList([nn.Linear(5, 8), nn.Linear(8, 1)])

    def loss_of():
        x, y = fresh_rows()
        h = model[0](x)
        h += 0.1
        h = F.relu(h, inplace=True)
        return F.smooth_l1_loss(model[1](h.view(-1, 8)), y)

    return model, loss_of


def penalised():
    model = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))

    def loss_of():
        x, y = fresh_rows()
        mixed = (x + 0.1 * torch.rand_like(x)).requires_grad_(True)
        (slope,) = torch.autograd.grad(model(mixed).sum(), mixed, create_graph=True)
        return F.mse_loss(model(x), y) + (slope.norm(dim=1) - 1).pow(2).mean()

    return model, loss_of


def recurrent():
    model = nn.ModuleList([nn.Embedding(9, 6), nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 9)])

    def loss_of():
        tokens = torch.randint(0, 9, (4, 7))
        out, _ = model[1](model[0](tokens[:, :-1]))
        return F.cross_entropy(model[2](out).reshape(-1, 9), tokens[:, 1:].reshape(-1))

    return model, loss_of


def checkpointed(*, reentrant):
    model = nn.ModuleList([nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, 1)])

    def loss_of():
        x, y = fresh_rows()
        h = checkpoint(model[1], model[0](x).tanh(), use_reentrant=reentrant)
        return F.mse_loss(model[2](h), y)

    return model, loss_of


def straight_through():
    model = nn.ModuleList([nn.Linear(5, 8), nn.Linear(8, 1)])

    def loss_of():
        x, y = fresh_rows()
        straight = Straight.apply
        return F.mse_loss(model[1](Straight.apply(model[0](x)) + straight(model[0](x).tanh())), y)

    return model, loss_of


def raw_tensors():
    model = nn.ParameterList([nn.Parameter(0.3 * torch.randn(5, 1)), nn.Parameter(torch.zeros(1))])

    def loss_of():
        x, y = fresh_rows()
        out = torch.empty(12, 1)
        with torch.no_grad():
            torch.mul(y, 2.0, out=out)
        return (torch.sigmoid(x @ model[0] + model[1]) - out).pow(2).mean()

    return model, loss_of


def attention():
    model = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), nn.Linear(8, 1)])

    def loss_of():
        x = torch.randn(3, 4, 8)
        return F.mse_loss(model[1](model[0](x)), x.cumsum(1)[..., :1])

    return model, loss_of


NETS = {
    "plain": plain,
    "batch_normed": batch_normed,
    "views_in_place": views_in_place,
    "penalised": penalised,
    "recurrent": recurrent,
    "checkpointed": lambda: checkpointed(reentrant=False),
    "reentrant": lambda: checkpointed(reentrant=True),
    "straight_through": straight_through,
    "raw_tensors": raw_tensors,
    "attention": attention,
}


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(1)


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("name", NETS)
def test_a_look_comes_to_the_loss_that_was_recorded(name):
    model, loss_of = NETS[name]()
    case, before = watched(model, sgd, loss_of)
    assert [replay.can_play(look) for look in case.looks] == [True] * STEPS
    with replay.held(case):
        for look, weights in zip(case.looks, before, strict=True):
            model.load_state_dict(weights)
            assert float(replay.loss_of(look).detach()) == look.loss == case.courses[0].losses[look.step]
            assert replay.losses_of([look]) == [look.loss]


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("optimizer", [sgd, adam])
def test_training_again_repeats_the_curve(name, optimizer):
    model, loss_of = NETS[name]()
    case, _ = watched(model, optimizer, loss_of)
    with replay.held(case) as lent:
        lent.to_start()
        again = replay.rerun(case.courses[0], case.looks, STEPS)
    assert again == case.courses[0].losses
    assert again[-1] != again[0]


def test_lbfgs_is_run_again_with_all_its_calls():
    model, (x, y) = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 1)), fresh_rows()
    case, _ = watched(model, lbfgs, lambda: F.mse_loss(model(x), y))
    with replay.held(case) as lent:
        lent.to_start()
        assert replay.rerun(case.courses[0], case.looks, STEPS) == case.courses[0].losses


def test_the_gradient_inside_is_that_of_the_script():
    model, loss_of = recurrent()
    case, before = watched(model, sgd, loss_of, steps=2)
    with replay.held(case):
        model.load_state_dict(before[1])
        deep = replay.deeply(case.looks[1])
        assert float(deep.loss.detach()) == case.looks[1].loss
        (inner,) = [op for op in deep.look.ops if op.name == "linear"]
        assert inner.depth == 1 and inner.module is model[2] and inner.place.file == __file__
        (gradient,) = deep.gradients([inner.outputs[0]])
        replay.loss_of(case.looks[1]).backward()
        assert torch.allclose(gradient.sum((0, 1)), model[2].bias.grad)
        assert deep.tensors[inner.outputs[0]].shape == (4, 6, 9)


def everything(model, optimizer):
    found = [t.clone() for t in model.state_dict().values()]
    found += [p.grad.clone() for p in model.parameters()]
    found += [v.clone() for memory in optimizer.state.values() for v in memory.values() if isinstance(v, torch.Tensor)]
    settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    streams = [torch.get_rng_state(), torch.as_tensor(np.random.get_state()[1].astype(np.int64))]
    return found + streams, settings, random.getstate(), [m.training for m in model.modules()]


def assert_same(before, after):
    assert all(torch.equal(a, b) for a, b in zip(before[0], after[0], strict=True))
    assert before[1:] == after[1:]


def test_experiments_leave_nothing_behind():
    model, loss_of = batch_normed()
    case, _ = watched(model, adam, loss_of)
    optimizer = case.courses[0].optimizer
    model[1].eval()
    grads = [p.grad for p in model.parameters()]
    memory = {p: dict(m) for p, m in optimizer.state.items()}
    before = everything(model, optimizer)
    for change in ({"rate": 3.0}, {"settings": {"betas": (0.5, 0.5), "weight_decay": 0.1}}, {"clip": 0.1}):
        with replay.held(case, seed=4) as lent:
            lent.to_start()
            first = replay.rerun(case.courses[0], case.looks, 6, **change)
            model.train()
            model[0].weight.requires_grad_(False)
            torch.rand(3), np.random.rand(), random.random()
            replay.loss_of(case.looks[0]).backward()
        assert len(first) == 6
    assert_same(before, everything(model, optimizer))
    assert all(p.grad is grad for p, grad in zip(model.parameters(), grads, strict=True))
    assert all(p.requires_grad for p in model.parameters())
    for p, parts in memory.items():
        assert all(optimizer.state[p][key] is part for key, part in parts.items())


def test_all_is_put_back_when_an_experiment_fails():
    model, loss_of = plain()
    case, _ = watched(model, adam, loss_of)
    before = everything(model, case.courses[0].optimizer)

    def swap(look):
        if torch.rand(()) < 2 and model[0].weight.fill_(0.0).sum() == 0:
            raise ArithmeticError
        return {}

    with torch.no_grad(), pytest.raises(ArithmeticError), replay.held(case):
        replay.rerun(case.courses[0], case.looks, 3, rate=9.0, swap=swap)
    assert_same(before, everything(model, case.courses[0].optimizer))


def test_held_draws_the_same_numbers_every_time():
    model, loss_of = plain()
    case, _ = watched(model, sgd, loss_of)
    drawn = []
    for seed in (0, 0, 1):
        with replay.held(case, seed=seed):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_one_thing_is_changed():
    model, loss_of = plain()
    case, _ = watched(model, sgd, loss_of)
    look, course = case.looks[0], case.courses[0]
    fed = replay.leaves(look)
    assert {look.values[n].shape for n in fed} == {(12, 5), (12, 1)}
    x = next(n for n in fed if look.values[n].shape == (12, 5))
    y = next(n for n in fed if n != x)
    with replay.held(case) as lent:
        perfect = {y: model(look.tensors[x]).detach()}
        assert float(replay.loss_of(look, swap=perfect).detach()) == 0.0
        taps = replay.play(look, tap=lambda op, n, value: value * 0 if op.kind == "module" else None)
        assert float(taps[look.losses()[0]].detach()) == pytest.approx(float(look.tensors[y].pow(2).mean()))
        lent.to_start()
        rates = {rate: replay.rerun(course, [look], 3, rate=rate) for rate in (0.0, 1.0) if not lent.to_start()}
        assert len(set(rates[0.0])) == 1 and rates[1.0][-1] < rates[0.0][-1]
        assert len(replay.rerun(course, [look], 50, until=time.perf_counter())) == 1
        assert replay.rerun(course, [look], 5, rate=1e30)[-1] != replay.rerun(course, [look], 1)[0]
        with pytest.raises(replay.CannotPlay):
            replay.rerun(type(course)(None), [look], 1)


def test_rows_are_swapped_before_what_is_made_of_them():
    model = nn.Linear(5, 1)

    def loss_of():
        x = torch.randn(12, 5)
        return (model((x - x.mean(0)) / x.std(0)) - torch.ones(12, 1)).pow(2).mean()

    case, _ = watched(model, sgd, loss_of)
    look = case.looks[0]
    x = next(n for op in look.program() if op.name == "mean" for n in op.inputs)
    with replay.held(case):
        same = replay.loss_of(look, swap={x: look.tensors[x] * 3 + 1})  # standardised, it is what it was
        other = replay.loss_of(look, swap={x: look.tensors[x] ** 2})
        assert float(same.detach()) == pytest.approx(float(replay.loss_of(look).detach()), rel=1e-4)
        assert float(other.detach()) != pytest.approx(float(same.detach()), rel=1e-3)


# -- what cannot be run again, and says so


def lose(loss_of, *, model, steps=3):
    case, _ = watched(model, sgd, loss_of, steps=steps)
    return case


def test_data_changed_since_is_noticed():
    model, x = nn.Linear(5, 1), torch.randn(6, 5)

    def loss_of():
        x.add_(1.0)
        return model(x).pow(2).mean()

    case = lose(loss_of, model=model)
    assert [replay.can_play(look) for look in case.looks] == [False, False, True]


def test_a_value_changed_through_another_name_is_not_run_again_wrongly():
    model = nn.Linear(5, 4)

    def loss_of():
        h = model(torch.ones(3, 5))
        h[0].mul_(2.0)
        return h.pow(2).mean()

    case = lose(loss_of, model=model)
    assert not any(replay.can_play(look) for look in case.looks)


def test_a_function_that_was_not_seen_is_not_run_again_without_its_gradient():
    model = nn.Linear(5, 4)
    straight = Straight.apply  # bound before the watch is on

    def loss_of():
        return (straight(model(torch.ones(3, 5))) - 0.3).pow(2).mean()

    case = lose(loss_of, model=model)
    assert not any(replay.can_play(look) for look in case.looks)


def test_memory_from_the_step_before_is_not_run_again():
    model, memory = nn.RNN(3, 4, batch_first=True), [None]

    def loss_of():
        out, state = model(torch.randn(2, 5, 3), memory[0])
        memory[0] = state.detach() * 1.0
        return out.pow(2).mean()

    case = lose(loss_of, model=model)
    assert all(replay.can_play(look) for look in case.looks)  # what was detached is data

    def undetached():
        out, state = model(torch.randn(2, 5, 3), memory[0])
        memory[0] = state
        return out.pow(2).mean() + 0.0 * len(state)

    def loss_of_twice():
        memory[0] = None
        undetached()
        return undetached()

    case = lose(loss_of_twice, model=model)
    with replay.held(case):
        assert all(replay.can_play(look) for look in case.looks)


def test_two_players_are_not_trained_again():
    one, two = nn.Linear(3, 1), nn.Linear(3, 1)
    watch = Watch()
    watch.attach()
    first, second = torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.SGD(two.parameters(), lr=0.1)
    for _ in range(3):
        for net, optimizer in ((one, first), (two, second)):
            net(torch.randn(4, 3)).pow(2).mean().backward()
            optimizer.step()
    watch.detach()
    case = watch.case()
    assert replay.playable(case) == [] and all(replay.can_play(look) for look in case.looks)


def test_weights_changed_by_hand_can_be_looked_into():
    w, x = torch.ones(4, 1, requires_grad=True), torch.randn(8, 4)
    watch, told = Watch(), []
    watch.attach()
    for _ in range(5):
        told.append(w.detach().clone())
        (x @ w).pow(2).mean().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    watch.detach()
    case = watch.case()
    assert len(case.looks) >= 3
    for look in case.looks:
        assert replay.can_play(look) and replay.leaves(look)
        loss = replay.loss_of(look)
        assert float(loss.detach()) == pytest.approx(float((x @ w).pow(2).mean().detach()), rel=1e-6)
        assert loss.requires_grad
        with torch.no_grad():
            today = w.clone()
            w.copy_(told[look.step])
        assert float(replay.loss_of(look, grad=False)) == look.loss
        with torch.no_grad():
            w.copy_(today)
