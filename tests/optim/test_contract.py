"""What each rule owes as an optimizer of torch's kind; the ideas are those of torch's own tests of its optimizers."""

import copy
import dataclasses
import io
import pickle

import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.optim import RuleOptimizer
from thalweg.optim.nature import nature
from thalweg.optim.ways import Plain
from thalweg.rules import RULES, SGD, Adam, Around, SecondPoint

NEWTON = [name for name, kind in RULES.items() if kind.needs_hessian]
KERNELS = {"adamw kernel": tw.rules.AdamW(), "adam kernel": Adam(weight_decay=0.1), "sgd kernel": SGD(momentum=0.9)}


def default(kind, **changes):
    """Return a rule with its defaults, a small rate, and decay; one around another holds SGD with momentum."""
    held = {"rule": SGD(momentum=0.9, lr=0.01)} if issubclass(kind, Around) else {}
    return kind(**held, **changes)


ALL = {**{name: default(kind) for name, kind in RULES.items()}, **KERNELS}
FIRST_ORDER = {name: rule for name, rule in ALL.items() if name not in NEWTON}


def named(rules):
    return [pytest.param(rule, id=name) for name, rule in rules.items()]


def net(dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)


def batch(k, dtype=torch.float64):
    draw = torch.Generator().manual_seed(100 + k)
    return torch.randn(6, 3, generator=draw, dtype=dtype), torch.randn(6, 2, generator=draw, dtype=dtype)


def loss_of(module, k):
    x, y = batch(k, next(module.parameters()).dtype)
    return (module(x) - y).square().mean()


def take(optimizer, module, k, drop=()):
    """Take step k by a closure that suits the rule; parameters in `drop` get no gradient."""
    params = dict(module.named_parameters())

    def closure():
        optimizer.zero_grad()
        loss = loss_of(module, k)
        if optimizer.rule.needs_hessian:
            return loss
        loss.backward()
        for name in drop:
            params[name].grad = None
        return loss

    return optimizer.step(closure)


def numbers(optimizer):
    """Return all tensors of a state_dict by path, and counts."""
    written = optimizer.state_dict()
    found = {f"{name}.{slot}": value for name, state in written["state"].items() for slot, value in state.items()}
    return {**found, **{f"whole.{slot}": value for slot, value in written["whole"].items()}}


def same(left, right, **tolerance):
    assert list(left) == list(right)
    for name in left:
        close = {"rtol": 0, "atol": 0, **tolerance}
        torch.testing.assert_close(torch.as_tensor(left[name]), torch.as_tensor(right[name]), equal_nan=True, **close)


def weights(module):
    return {name: param.detach().clone() for name, param in module.named_parameters()}


def copied(tree):
    return {name: copy.deepcopy(value) for name, value in tree.items()}


def plainly(optimizer):
    """Let an optimizer take the plain way."""
    kept = optimizer._planned

    def planned(grads):
        plan = kept(grads)
        guide = optimizer._guide_now()
        chain, slots = guide.fitted.chain[guide.lead :], guide.slots_of(guide.lead)
        plan.ways = [Plain(part, chain, slots, in_place=False) for part in plan.parts]
        return plan

    optimizer._planned = planned
    return optimizer


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rule", named(FIRST_ORDER))
def test_fast_is_plain_with_gaps_and_frozen_layers(rule, dtype):
    """Seven steps: at 2 one has no gradient, at 3 a layer is frozen, at 5 it trains again."""
    fast, slow = net(dtype), net(dtype)
    quick, plain = tw.optim.from_rule(rule, fast), plainly(tw.optim.from_rule(rule, slow))
    close = {"rtol": 1e-9, "atol": 1e-12} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-5}
    for k in range(8):
        for optimizer, module in ((quick, fast), (plain, slow)):
            if k in (3, 5):
                module[2].requires_grad_(k == 5)
            take(optimizer, module, k, drop=["0.bias"] if k == 2 else [])
        same(weights(fast), weights(slow), **close)
        same(numbers(quick), numbers(plain), **close)


@pytest.mark.parametrize("rule", named(FIRST_ORDER))
def test_without_gradient_nothing_moves(rule):
    module = net()
    optimizer = tw.optim.from_rule(rule, module)
    for k in range(3):
        take(optimizer, module, k)
    before = copied(weights(module)), copied(numbers(optimizer))
    take(optimizer, module, 3, drop=["2.weight", "0.bias"])
    after = weights(module), numbers(optimizer)
    for name in ("2.weight", "0.bias"):
        torch.testing.assert_close(after[0][name], before[0][name], rtol=0, atol=0)
        mine = [{key: v for key, v in found[1].items() if key.startswith(name)} for found in (before, after)]
        same(*mine)
    assert not torch.equal(after[0]["0.weight"], before[0]["0.weight"])
    optimizer.zero_grad()
    before = copied(weights(module)), copied(numbers(optimizer))
    if not any(isinstance(t, SecondPoint) for t in rule.chain()):
        optimizer.step()
        same(weights(module), before[0])
        same(numbers(optimizer), before[1])


@pytest.mark.parametrize("rule", named(ALL))
def test_continued_is_uninterrupted(rule):
    """Through a file that holds no pickled object; compared after each step; the state_dict stays as it was."""
    whole, half = net(), net()
    one, other = tw.optim.from_rule(rule, whole), tw.optim.from_rule(rule, half)
    for k in range(3):
        take(one, whole, k)
        take(other, half, k)
    file = io.BytesIO()
    torch.save([half.state_dict(), other.state_dict()], file)
    file.seek(0)
    kept, saved = torch.load(file, weights_only=True)
    before = copied({f"{n}.{s}": v for n, state in saved["state"].items() for s, v in state.items()})
    resumed = net(seed=5)
    resumed.load_state_dict(kept)
    last = tw.optim.from_rule(rule, resumed)
    last.load_state_dict(saved)
    assert last.load_report.matched == tuple(dict(resumed.named_parameters())) and not last.load_report.hyper_changed
    for k in range(3, 7):
        take(one, whole, k)
        take(last, resumed, k)
        same(weights(whole), weights(resumed))
        same(numbers(one), numbers(last))
    same(before, {f"{n}.{s}": v for n, state in saved["state"].items() for s, v in state.items()})


@pytest.mark.parametrize("rule", named(ALL))
@pytest.mark.parametrize("copied_by", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_goes_on_alike_and_apart(rule, copied_by):
    module = net()
    optimizer = tw.optim.from_rule(rule, module)
    for k in range(2):
        take(optimizer, module, k)
    twin, again = copied_by((module, optimizer))
    assert type(again) is type(optimizer) and isinstance(again, torch.optim.Optimizer)
    for k in range(2, 5):
        take(optimizer, module, k)
    assert not torch.equal(twin[0].weight, module[0].weight)
    for k in range(2, 5):
        take(again, twin, k)
    same(weights(module), weights(twin))
    same(numbers(optimizer), numbers(again))


def slow_start(rule):
    """Return the rule without what hides progress in few steps: noise, decay, a rate that must first be found."""
    changes = {"weight_decay": 0.0, "noise": 0.0, "d0": 1e-2, "average_decay": 0.5}
    known = {field.name for field in dataclasses.fields(rule)}
    return dataclasses.replace(rule, **{name: value for name, value in changes.items() if name in known})


@pytest.mark.parametrize("rule", named(FIRST_ORDER))
@pytest.mark.parametrize("maximize", [False, True])
def test_loss_falls_and_climbs_if_asked(rule, maximize):
    module = net()
    optimizer = tw.optim.from_rule(slow_start(rule), module, maximize=maximize)
    first = loss_of(module, 0).item()
    for _ in range(30):
        take(optimizer, module, 0)
    last = loss_of(module, 0).item()
    assert last > first if maximize else last < first


@pytest.mark.parametrize("name", NEWTON)
def test_newton_jumps_to_the_minimum_of_a_quadratic(name):
    start = nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
    curve = torch.tensor([[4.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    optimizer = tw.optim.from_rule(RULES[name](damping=0.0), [start])
    loss = optimizer.step(lambda: start @ curve @ start / 2 + start.sum())
    torch.testing.assert_close(start.detach(), torch.linalg.solve(curve, -torch.ones(2, dtype=torch.float64)))
    assert float(loss) == pytest.approx(17.0)
    top = nn.Parameter(torch.tensor([3.0], dtype=torch.float64))
    tw.optim.from_rule(RULES[name](damping=0.0), [top], maximize=True).step(lambda: -((top - 1) ** 2).sum())
    assert float(top.detach()) == pytest.approx(1.0)


@pytest.mark.parametrize("rule", named(ALL))
def test_a_rate_of_zero_stands_still(rule):
    module = net()
    optimizer = tw.optim.from_rule(rule, [{"params": list(module.named_parameters()), "lr": 0.0}])
    before = weights(module)
    for k in range(3):
        take(optimizer, module, k)
    if rule.name == "adafactor" and rule.convention == "optax":
        return
    same(weights(module), before, atol=1e-15)


@pytest.mark.parametrize("rule", named(FIRST_ORDER))
def test_what_is_sick_stays_where_it_is(rule):
    module = net()
    optimizer = tw.optim.from_rule(rule, module)
    take(optimizer, module, 0)
    optimizer.zero_grad()
    loss_of(module, 1).backward()
    module[2].weight.grad.fill_(torch.nan)
    if optimizer._guide_now().fitted.asks_twice:
        return
    optimizer.step()
    assert module[2].weight.isnan().any()
    if not any(nature(optimizer._guide_now().fitted.rule).joint) or rule.name == "gradient-noise":
        assert not any(p.isnan().any() for n, p in module.named_parameters() if n != "2.weight")


@pytest.mark.parametrize("rule", named(FIRST_ORDER))
def test_forms_of_parameters(rule):
    """Scattered, of shape (), of one number: as their plain copies."""
    torch.manual_seed(0)
    values = [torch.randn(5, 4, dtype=torch.float64), torch.randn((), dtype=torch.float64), torch.randn(1).double()]
    odd = [nn.Parameter(values[0].t().contiguous().t()), nn.Parameter(values[1]), nn.Parameter(values[2])]
    even = [nn.Parameter(v.clone().contiguous()) for v in values]
    assert not odd[0].is_contiguous()
    pair = [tw.optim.from_rule(rule, params) for params in (odd, even)]
    for k in range(4):
        for optimizer, params in zip(pair, (odd, even), strict=True):

            def closure(params=params, optimizer=optimizer, k=k):
                optimizer.zero_grad()
                loss = sum(((p - k) ** 4).sum() for p in params)
                loss.backward()
                return loss

            optimizer.step(closure)
    for one, other in zip(odd, even, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_each_rule_has_a_class_that_takes_its_fields(name):
    kind = RULES[name]
    made = getattr(tw.optim, kind.__name__)
    assert made is getattr(tw.optim, kind.__name__) and issubclass(made, RuleOptimizer)
    assert (
        kind.__name__ in dir(tw.optim)
        and kind.__name__ in tw.optim.__all__
        and made.__doc__.startswith(kind.__doc__[:20])
    )
    fields = {"rule": SGD(lr=0.3)} if issubclass(kind, Around) else {"lr": 0.3}
    optimizer = made(net(), **fields)
    assert optimizer.rule == kind(**fields) and optimizer.param_groups[0]["lr"] == 0.3
    assert made(net(), *fields.values()).rule == optimizer.rule


@pytest.mark.parametrize("rule", named(FIRST_ORDER))
def test_groups_are_optimizers_of_their_own(rule):
    """Two groups with rates of their own step as two optimizers would, where no transformation is joint."""
    whole, parts = net(), net()
    one = tw.optim.from_rule(
        rule, [{"params": list(whole[0].parameters())}, {"params": list(whole[2:].parameters()), "lr": rule.lr / 3}]
    )
    assert [group["lr"] for group in one.param_groups] == [rule.lr, rule.lr / 3]
    if any(nature(rule).joint) or one._guide_now().fitted.asks_twice:
        take(one, whole, 0)
        take(one, whole, 1)
        assert not any(p.isnan().any() for p in whole.parameters())
        return
    two = [tw.optim.from_rule(rule, parts[0].parameters()), tw.optim.from_rule(rule, parts[2:].parameters())]
    two[1].param_groups[0]["lr"] = rule.lr / 3
    for k in range(5):
        take(one, whole, k)
        parts.zero_grad()
        loss_of(parts, k).backward()
        for optimizer in two:
            optimizer.step()
    same(weights(whole), weights(parts), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("rule", named(FIRST_ORDER))
def test_weights_to_be_judged(rule):
    module = net()
    optimizer = tw.optim.from_rule(rule, module)
    same(optimizer.evaluation_weights(), weights(module))
    for k in range(4):
        take(optimizer, module, k)
    training, judged = weights(module), optimizer.evaluation_weights()
    fitted = optimizer._guide_now().fitted
    with pytest.raises(ZeroDivisionError), optimizer.evaluating():
        same(weights(module), judged)
        raise ZeroDivisionError
    same(weights(module), training)
    if fitted.is_judged_elsewhere:
        assert not torch.equal(judged["0.weight"], training["0.weight"])
    else:
        same(judged, training)
