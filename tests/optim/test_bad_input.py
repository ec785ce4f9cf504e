"""What cannot be right is told in one sentence; what is read is reported; the table says what is done to what."""

import doctest
import importlib

import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import UsageError


def net(width=4):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, width), nn.LayerNorm(width), nn.Linear(width, 2))


WRONG = {
    "rate": (lambda p: tw.optim.Adam(p, lr=-1.0), r"`Adam\(lr=...\)` must lie in \(0, inf\), got -1.0."),
    "rate in a group": (lambda p: tw.optim.Adam([{"params": p, "lr": -1.0}]), r"`Adam\(lr=...\)` must lie in"),
    "beta": (lambda p: tw.optim.Adam(p, beta1=1.2), r"`Adam\(beta1=...\)` must lie in \[0, 1\), got 1.2."),
    "betas": (lambda p: tw.optim.Adam(p, betas=(0.9, 1.0)), r"`Adam\(beta2=...\)` must lie in \[0, 1\), got 1.0."),
    "one beta": (lambda p: tw.optim.Adam(p, betas=0.9), r"`betas=...` must be two numbers, got 0.9."),
    "betas twice": (lambda p: tw.optim.Adam(p, betas=(0.9, 0.9), beta1=0.9), "stands for beta1 and beta2"),
    "betas for none": (lambda p: tw.optim.SGD([{"params": p, "betas": (0.9, 0.9)}]), "sgd has none"),
    "unknown": (lambda p: tw.optim.Adam(p, weight_deacy=0.1), "did you mean 'weight_decay'"),
    "two numbers": (lambda p: tw.optim.Adam(p, 0.1, 0.9), "takes its numbers by name"),
    "no rule": (lambda p: tw.optim.ClipNorm(p), r"`tw.optim.ClipNorm\(rule=...\)` must hold a rule, got none"),
    "no parameters": (lambda p: tw.optim.Adam([]), "got an empty list"),
    "one tensor": (lambda p: tw.optim.Adam(p[0]), r"got one tensor; write \[param\]"),
    "complex": (lambda p: tw.optim.Adam([nn.Parameter(torch.zeros(2, dtype=torch.complex64))]), "view_as_real"),
    "no matrix": (lambda p: tw.optim.Muon([p[1]]), r"`Muon\(\)` needs a parameter that is a matrix"),
    "names": (lambda p: tw.optim.Adam([("w", p[0]), ("w", p[1])]), "got 'w' twice"),
    "not a rule": (lambda p: tw.optim.from_rule(3, p), "must be a rule or the text of one"),
    "text": (lambda p: tw.optim.from_rule("adamm", p), "did you mean 'adam'"),
    "too large": (lambda p: tw.optim.Newton([nn.Parameter(torch.zeros(80, 80))]), "at most 5,000 parameters"),
}


@pytest.mark.parametrize(("call", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_one_sentence(call, sentence):
    with pytest.raises(UsageError, match=sentence) as error:
        call(list(net().parameters()))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["sgd+sam", "newton", "saddle-free-newton"])
def test_a_missing_closure_is_told(text):
    optimizer = tw.optim.from_rule(text, net())
    with pytest.raises(UsageError, match="needs a closure"):
        optimizer.step()


def test_newton_wants_a_loss_that_nobody_derived():
    module = net()
    optimizer = tw.optim.Newton(module)

    def closure():
        loss = module(torch.randn(5, 3)).square().mean()
        loss.backward()
        return loss

    with pytest.raises(UsageError, match="already derived"):
        optimizer.step(closure)
    with pytest.raises(UsageError, match="needs the loss as a tensor"):
        optimizer.step(lambda: 1.0)


def test_sparse_gradients_are_refused():
    layer = nn.Embedding(5, 2, sparse=True)
    optimizer = tw.optim.SGD(layer)
    layer(torch.tensor([1])).sum().backward()
    with pytest.raises(UsageError, match="sparse=False"):
        optimizer.step()


def test_joint_rules_want_one_bound():
    module = net()
    groups = [
        {"params": module[0].parameters(), "clip_norm": 1.0},
        {"params": module[2].parameters(), "clip_norm": 2.0},
    ]
    optimizer = tw.optim.from_rule("adamw+clip-norm", groups)
    module(torch.randn(4, 3)).sum().backward()
    with pytest.raises(UsageError, match=r"`param group clip_norm=...` must be the same in all groups"):
        optimizer.step()


def test_the_norm_is_clipped_over_all_groups():
    module = net()
    groups = [{"params": module[0].parameters(), "lr": 0.1}, {"params": module[2].parameters(), "betas": (0.5, 0.9)}]
    ours = tw.optim.from_rule("adam+clip-norm(clip_norm=0.01)", groups)
    theirs = net()
    pairs = [{"params": theirs[0].parameters(), "lr": 0.1}, {"params": theirs[2].parameters(), "betas": (0.5, 0.9)}]
    adam = torch.optim.Adam(pairs)
    for k in range(4):
        torch.manual_seed(k)
        x = torch.randn(4, 3)
        for own, optimizer in ((module, ours), (theirs, adam)):
            own.zero_grad()
            own(x).square().sum().backward()
            if own is theirs:
                trained = [p for group in pairs for p in group["params"]]
                nn.utils.clip_grad_norm_(trained, 0.01)
            optimizer.step()
    for one, other in zip(module.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_rates_of_groups_are_shares_where_a_rule_takes_all_together():
    module = net().double()
    frozen = module[0].weight.detach().clone()
    groups = [{"params": module[0].parameters(), "lr": 0.0}, {"params": module[2].parameters(), "lr": 2.0}]
    optimizer = tw.optim.Prodigy(groups, d0=1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        module(torch.ones(4, 3).double()).square().sum().backward()
        optimizer.step()
    assert torch.equal(module[0].weight, frozen) and module[2].weight.grad is not None
    assert optimizer.state_dict()["whole"]["d"] >= 1e-2 and int(optimizer.state_dict()["whole"]["step"]) == 3


def test_sam_takes_two_gradients_and_leaves_batch_norm_alone():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 1))
    rule = tw.rules.SAM(rule=tw.rules.SGD(lr=0.1), rho=0.5)
    optimizer = tw.optim.from_rule(rule, module)
    x, seen = torch.randn(8, 3), []

    def closure():  # does not clear gradients: SAM does, between the two calls
        out = module(x)
        seen.append((module[1].running_mean.clone(), torch.get_rng_state()))
        loss = out.square().mean()
        loss.backward()
        return loss

    before = {name: param.detach().clone() for name, param in module.named_parameters()}
    optimizer.step(closure)
    assert len(seen) == 2 and int(module[1].num_batches_tracked) == 1
    assert torch.equal(module[1].running_mean, seen[0][0]) and torch.equal(seen[0][1], seen[1][1])
    change = {name: (param - before[name]) / -0.1 for name, param in module.named_parameters()}
    for name, param in module.named_parameters():
        torch.testing.assert_close(change[name], param.grad, rtol=1e-4, atol=1e-5)


def walked(module, optimizer, steps=2):
    for _ in range(steps):
        optimizer.zero_grad()
        module(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()


def test_the_report_says_what_fitted():
    old, new = net(4), net(6)
    source = tw.optim.AdamW([(n, p) for n, p in old.named_parameters() if n != "2.bias"])
    walked(old, source)
    saved = source.state_dict()
    target = tw.optim.AdamW([(n, p) for n, p in new.named_parameters() if n != "1.bias"], lr=0.5)
    target.load_state_dict(saved, keep_hyper=True)
    report = target.load_report
    assert report.matched == () and report.new == ("2.bias",) and report.missing == ("1.bias",)
    assert [line.split()[0] for line in report.shape_changed] == ["0.weight", "0.bias", "1.weight", "2.weight"]
    assert report.shape_changed[0] == "0.weight (mean (4, 3), here (6, 3))"
    assert report.hyper_kept == ("lr 0.5 (there 0.001)",) and target.param_groups[0]["lr"] == 0.5
    target.load_state_dict(saved)
    assert target.load_report.hyper_changed == ("lr 0.5 -> 0.001",) and target.param_groups[0]["lr"] == 0.001
    text = str(target.load_report)
    assert text.splitlines()[0] == "parameters loaded: 0" and "in the file only: 1.bias" in text
    walked(new, target)


def test_names_are_the_keys_and_places_where_there_are_none():
    module = net()
    named, bare = tw.optim.Adam(module), tw.optim.Adam(module.parameters())
    walked(module, named)
    assert list(named.state_dict()["state"]) == [name for name, _ in module.named_parameters()]
    bare.load_state_dict(named.state_dict())
    assert list(bare.state_dict()["state"]) == [str(k) for k in range(6)] and bare.load_report.matched == tuple(
        "012345"
    )
    with pytest.raises(UsageError, match="'state' and 'param_groups'"):
        bare.load_state_dict({})


def test_another_rules_memory_does_not_fit():
    module = net()
    sgd = tw.optim.SGD(module, momentum=0.9)
    walked(module, sgd)
    adam = tw.optim.Adam(module)
    adam.load_state_dict(sgd.state_dict())
    assert adam.load_report.shape_changed[0] == "0.weight (no mean)" and adam.load_report.matched == ()


def test_the_table_says_what_is_done_to_what():
    module = net()
    module[0].bias.requires_grad_(False)
    lines = tw.optim.describe(tw.optim.AdamW(module, lr=0.01, weight_decay=0.1)).splitlines()
    assert max(map(len, lines)) <= 80
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["0.weight"] == ["4x3", "matrix", "0.01", "0.1"] and rows["0.bias"] == ["4", "bias", "frozen", "0"]
    assert rows["1.weight"] == ["4", "norm", "0.01", "0"] and rows["2.weight"][1] == "head"
    bare = tw.optim.describe(tw.optim.AdamW(module.parameters(), weight_decay=0.1))
    assert "vector" in bare and "0.1" in bare.splitlines()[2]


def test_decay_falls_on_weights_of_a_network_and_on_all_of_a_list():
    for given, moved in ((lambda m: m, False), (lambda m: m.parameters(), True)):
        module = net()
        with torch.no_grad():
            module[0].bias.fill_(1.0)
        optimizer = tw.optim.AdamW(given(module), lr=0.1, weight_decay=0.5)
        for param in module.parameters():
            param.grad = torch.zeros_like(param)
        before = module[0].weight.detach().clone()
        optimizer.step()
        assert torch.equal(module[0].bias, torch.ones(4)) != moved
        torch.testing.assert_close(module[0].weight, before * 0.95)


def test_a_parameter_may_be_called_all():
    param = nn.Parameter(torch.ones(2))
    optimizer = tw.optim.from_rule("sgd+ema(average_decay=0.5)", [("all", param)])
    for _ in range(3):
        param.grad = torch.ones(2)
        optimizer.step()
    assert torch.isfinite(optimizer.evaluation_weights()["all_"]).all()


def test_a_cleared_state_starts_anew():
    module, fresh = net(), net()
    optimizer = tw.optim.Adam(module)
    walked(module, optimizer)
    fresh.load_state_dict(module.state_dict())
    optimizer.state.clear()
    other = tw.optim.Adam(fresh)
    for own, model in ((optimizer, module), (other, fresh)):
        torch.manual_seed(1)
        walked(model, own)
    for one, two in zip(module.parameters(), fresh.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", ["Adamm", "__path2__"])
def test_unknown_names_are_attribute_errors(name):
    with pytest.raises(AttributeError):
        getattr(tw.optim, name)


@pytest.mark.parametrize("module", ["classes", "describe"])
def test_examples_in_docstrings_hold(module):
    found = importlib.import_module(f"thalweg.optim.{module}")
    names = {"torch": torch, "nn": nn, "from_rule": tw.optim.from_rule}
    assert doctest.testmod(found, extraglobs=names).failed == 0


def test_parameters_that_take_turns_keep_their_own_counts():
    """As of experts of which each step has others: what was remembered once is not made again."""
    ours, theirs = net().double(), net().double()
    pair = [(ours, tw.optim.Adam(ours.parameters())), (theirs, torch.optim.Adam(theirs.parameters()))]
    for k in range(12):
        for module, optimizer in pair:
            draw = torch.Generator().manual_seed(k)
            for place, param in enumerate(module.parameters()):
                grad = torch.randn(param.shape, generator=draw, dtype=torch.float64)
                param.grad = None if (k + place) % 3 == 0 else grad
            optimizer.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
