"""Our classes against torch's own, and with torch's tools: schedulers, scalers, hooks, compile, graphs."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

import thalweg as tw

PAIRS = {
    "sgd": (tw.rules.SGD(lr=0.05), torch.optim.SGD, {"lr": 0.05}),
    "momentum": (
        tw.rules.SGD(lr=0.05, momentum=0.9, weight_decay=0.1),
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1},
    ),
    "nesterov": (
        tw.rules.SGD(lr=0.05, momentum=0.9, nesterov=True),
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "nesterov": True},
    ),
    "dampened": (
        tw.rules.SGD(lr=0.05, momentum=0.9, dampening=0.3),
        torch.optim.SGD,
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3},
    ),
    "adam": (tw.rules.Adam(lr=0.01, weight_decay=0.1), torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.1}),
    "adamw": (
        tw.rules.AdamW(lr=0.01, beta1=0.8, beta2=0.9),
        torch.optim.AdamW,
        {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.01},
    ),
    "amsgrad": (tw.rules.AMSGrad(lr=0.01), torch.optim.Adam, {"lr": 0.01, "amsgrad": True}),
    "adagrad": (tw.rules.Adagrad(lr=0.1), torch.optim.Adagrad, {"lr": 0.1}),
    "adadelta": (tw.rules.Adadelta(lr=1.0), torch.optim.Adadelta, {"lr": 1.0}),
    "adamax": (tw.rules.Adamax(lr=0.01), torch.optim.Adamax, {"lr": 0.01}),
    "nadam": (tw.rules.NAdam(lr=0.01), torch.optim.NAdam, {"lr": 0.01}),
    "radam": (tw.rules.RAdam(lr=0.01), torch.optim.RAdam, {"lr": 0.01}),
    "rmsprop": (tw.rules.RMSProp(lr=0.01), torch.optim.RMSprop, {"lr": 0.01}),
}
CASES = [pytest.param(*pair, id=name) for name, pair in PAIRS.items()]


def net(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to(dtype)


def twins(rule, kind, fields, dtype=torch.float64):
    """Return (module, optimizer) by us and by torch, from the same start."""
    ours = net(dtype)
    theirs = copy.deepcopy(ours)
    return (ours, tw.optim.from_rule(rule, ours.parameters())), (theirs, kind(theirs.parameters(), **fields))


def grads_into(module, k):
    """Give every parameter the gradient of step k: the same for all modules of one kind."""
    draw = torch.Generator().manual_seed(k)
    for param in module.parameters():
        grad = torch.randn(param.shape, generator=draw, dtype=torch.float64).to(param.dtype)
        param.grad = grad if param.requires_grad else None


def agree(one, other, dtype=torch.float64, **tolerance):
    close = tolerance or ({"rtol": 1e-7, "atol": 1e-9} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-6})
    for left, right in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(left, right, **close)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("rule", "kind", "fields"), CASES)
def test_ours_is_torchs_with_gaps_and_frozen_layers(rule, kind, fields, dtype):
    pair = twins(rule, kind, fields, dtype)
    for k in range(9):
        for module, optimizer in pair:
            if k in (3, 5):
                module[2].requires_grad_(k == 5)
            grads_into(module, k)
            if k == 2:
                module[0].bias.grad = None
            optimizer.step()
        agree(pair[0][0], pair[1][0], dtype)


SCHEDULERS = {
    "step": lambda o: lr_scheduler.StepLR(o, 2, gamma=0.3),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.02, total_steps=12),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda k: k / 3),
    "plateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
}


@pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS)
@pytest.mark.parametrize("name", ["momentum", "adamw"])
def test_torchs_schedulers_move_ours_alike(scheduler, name):
    pair = twins(*PAIRS[name])
    plans = [scheduler(optimizer) for _, optimizer in pair]
    for k in range(9):
        for (module, optimizer), plan in zip(pair, plans, strict=True):
            grads_into(module, k)
            optimizer.step()
            plan.step(*([1.0] if isinstance(plan, lr_scheduler.ReduceLROnPlateau) else []))
        assert pair[0][1].param_groups[0]["lr"] == pair[1][1].param_groups[0]["lr"]
        agree(pair[0][0], pair[1][0])


@pytest.mark.parametrize("fields", [{"lr": 0.02}, {"weight_decay": 0.3}, {"betas": (0.5, 0.7)}, {"eps": 1e-2}])
def test_groups_have_their_own_numbers(fields):
    ours, theirs = net(), net()
    pair = []
    for module, kind in ((ours, tw.optim.AdamW), (theirs, torch.optim.AdamW)):
        groups = [{"params": module[0].parameters(), **fields}, {"params": module[2].parameters()}]
        pair.append((module, kind(groups, lr=0.01)))
    for k in range(5):
        for module, optimizer in pair:
            grads_into(module, k)
            if k == 3:
                optimizer.param_groups[1]["betas"] = (0.3, 0.9)
            optimizer.step()
    agree(ours, theirs)


def test_momentum_may_be_switched_on_later():
    ours, theirs = net(), net()
    pair = [(ours, tw.optim.SGD(ours.parameters(), lr=0.1)), (theirs, torch.optim.SGD(theirs.parameters(), lr=0.1))]
    for k in range(6):
        for module, optimizer in pair:
            grads_into(module, k)
            optimizer.param_groups[0]["momentum"] = 0.9 if k >= 2 else 0.0
            optimizer.step()
    agree(ours, theirs)


def test_groups_may_be_added_later():
    ours, theirs = net(), net()
    pair = [(m, kind(m[0].parameters(), lr=0.1)) for m, kind in ((ours, tw.optim.Adam), (theirs, torch.optim.Adam))]
    for k in range(6):
        for module, optimizer in pair:
            if k == 3:
                optimizer.add_param_group({"params": module[2].parameters(), "lr": 0.02})
            grads_into(module, k)
            optimizer.step()
    agree(ours, theirs)


@pytest.mark.parametrize("name", ["momentum", "adamw", "rmsprop"])
def test_maximize_is_torchs(name):
    rule, kind, fields = PAIRS[name]
    ours, theirs = net(), net()
    pair = [
        (ours, tw.optim.from_rule(rule, ours.parameters(), maximize=True)),
        (theirs, kind(theirs.parameters(), **fields, maximize=True)),
    ]
    for k in range(4):
        for module, optimizer in pair:
            grads_into(module, k)
            optimizer.step()
    agree(ours, theirs)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("with_names", [False, True])
def test_what_torch_wrote_is_read(name, with_names):
    rule, kind, fields = PAIRS[name]
    theirs = net()
    optimizer = kind(theirs.named_parameters() if with_names else theirs.parameters(), **fields)
    for k in range(3):
        grads_into(theirs, k)
        optimizer.step()
    ours = copy.deepcopy(theirs)
    taken = tw.optim.from_rule(rule, ours)
    taken.param_groups[0]["lr"] = 7.0
    taken._roles = None  # torch's decay falls on all
    taken._forget()
    taken.load_state_dict(optimizer.state_dict())
    assert taken.load_report.matched == tuple(dict(ours.named_parameters()))
    assert any(line.startswith("lr 7.0 ->") for line in taken.load_report.hyper_changed)
    for k in range(3, 7):
        for module, own in ((ours, taken), (theirs, optimizer)):
            grads_into(module, k)
            own.step()
    agree(ours, theirs)


def test_gradient_scaler_skips_a_step_with_inf():
    module = net(torch.float32)
    optimizer = tw.optim.Adam(module)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for sick in (False, True, False):
        optimizer.zero_grad()
        before = copy.deepcopy(module)
        scaler.scale(module(torch.ones(2, 3)).sum()).backward()
        if sick:
            module[0].weight.grad[0, 0] = torch.inf
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(before[0].weight, module[0].weight) == sick


def test_hooks_and_profiler_see_the_step():
    module, seen = net(), []
    optimizer = tw.optim.SGD(module)
    handles = [
        optimizer.register_step_pre_hook(lambda *a: seen.append("before")),
        optimizer.register_step_post_hook(lambda *a: seen.append("after")),
    ]
    grads_into(module, 0)
    optimizer.step()
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert seen == ["before", "after"]
    optimizer.register_state_dict_post_hook(lambda own, written: {**written, "mark": 1})
    optimizer.register_load_state_dict_pre_hook(lambda own, read: seen.append(read["mark"]))
    optimizer.register_load_state_dict_post_hook(lambda own: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen[2:] == [1, "loaded"]
    with torch.profiler.profile() as profile:
        optimizer.step()
    assert any(event.key == "Optimizer.step#SGD.step" for event in profile.key_averages())


def test_zero_grad_and_closures():
    module = net()
    optimizer = tw.optim.SGD(module, lr=0.1)
    calls = []

    def closure():
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        loss = module(torch.ones(2, 3, dtype=torch.float64)).square().mean()
        loss.backward()
        calls.append(loss.item())
        return loss

    with torch.no_grad():
        assert optimizer.step(closure).item() == calls[0]
    optimizer.zero_grad(set_to_none=False)
    assert not module[0].weight.grad.any()
    optimizer.zero_grad()
    assert module[0].weight.grad is None and len(calls) == 1


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_compiled_is_eager(name):
    """The step stays outside compiled graphs: compiling around it changes nothing."""
    rule = PAIRS[name][0]
    ours, theirs = net(), net()
    one, other = tw.optim.from_rule(rule, ours), tw.optim.from_rule(rule, theirs)
    compiled = torch.compile(one.step, backend="eager")
    for k in range(4):
        grads_into(ours, k)
        grads_into(theirs, k)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled()
        other.step()
    agree(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("rule", [pytest.param(pair[0], id=name) for name, pair in PAIRS.items()])
def test_capturable_is_plain(rule):
    ours, theirs = net(), net()
    one, other = tw.optim.from_rule(rule, ours, capturable=True), tw.optim.from_rule(rule, theirs)
    places = None
    for k in range(5):
        grads_into(ours, k)
        grads_into(theirs, k)
        one.step()
        other.step()
        found = [tensor.data_ptr() for state in one.state.values() for tensor in state.values()]
        assert places in (None, found)
        places = found
    agree(ours, theirs, rtol=1e-7, atol=1e-8)  # a count as a tensor: float32 inside


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("rule", [pytest.param(pair[0], id=name) for name, pair in PAIRS.items()])
def test_a_step_in_a_cuda_graph_is_one_outside(rule):
    ours, theirs = net(torch.float32).cuda(), net(torch.float32).cuda()
    one, other = tw.optim.from_rule(rule, ours, capturable=True), tw.optim.from_rule(rule, theirs)
    held = [torch.zeros_like(param) for param in ours.parameters()]
    for param, grad in zip(ours.parameters(), held, strict=True):
        param.grad = grad

    def fill(k):
        grads_into(theirs, k)
        for grad, param in zip(held, theirs.parameters(), strict=True):
            grad.copy_(param.grad)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    for k in range(3):
        fill(k)
        other.step()
        with torch.cuda.stream(side):
            one.step()
        side.synchronize()
    graph = torch.cuda.CUDAGraph()
    fill(3)
    with torch.cuda.graph(graph):
        one.step()
    for k in range(3, 8):
        fill(k)
        graph.replay()
        other.step()
    agree(ours, theirs, torch.float32)
