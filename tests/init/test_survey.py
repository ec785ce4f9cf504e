"""The survey: its numbers are right, its verdicts are those of theory, and it leaves nothing behind."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from thalweg.init import Constant, He, Normal, Xavier, Zeros, start, survey
from thalweg.init.surveying import SurveyRow, _comparable


def batch(width, count=128):
    draw = torch.Generator().manual_seed(1)
    return torch.randn(count, width, generator=draw), torch.randint(10, (count,), generator=draw)


@pytest.mark.parametrize("depth", [10, 30])
@pytest.mark.parametrize(
    ("init", "act", "forward", "backward"),
    [
        (Normal(std=0.01), nn.Tanh, "vanish", "vanish"),
        (Normal(std=0.01), nn.ReLU, "vanish", "vanish"),
        (Normal(std=1.0), nn.ReLU, "explode", "explode"),
        (Normal(std=1.0), nn.Tanh, "hold", "explode"),
        (Xavier(), nn.Tanh, "hold", "hold"),
        (Xavier(), nn.ReLU, "vanish", "vanish"),
        (He(), nn.ReLU, "hold", "hold"),
        (Zeros(), nn.ReLU, "vanish", "vanish"),
        (Constant(), nn.ReLU, "explode", "explode"),
    ],
    ids=str,
)
def test_the_verdicts_of_the_notes(init, act, forward, backward, depth, plain):
    """Small numbers die out, Xavier suits tanh, He suits ReLU, N(0, 1) explodes; in tanh it saturates instead."""
    module, (x, y) = plain(depth, 256, act), batch(256)
    start(module, init, seed=0)
    found = survey(module, (x, y), loss_fn=F.cross_entropy)
    if init != Normal(std=1.0) and not isinstance(init, Constant):  # overflown logits send no gradient back
        assert (found.forward, found.backward) == (forward, backward)
    without = survey(module, x)
    assert (without.forward, without.backward) == (forward, backward)
    assert len(found.rows) == depth + 1 and {row.activation for row in found.rows[:-1]} == {act.__name__.lower()}
    if init == Normal(std=1.0) and act is nn.Tanh:
        assert all(row.saturated > 0.8 for row in found.rows[:-1])
    if isinstance(init, Zeros):
        assert all(row.dead == 1 for row in found.rows[:-1])


class Called(nn.Module):
    """Call its activations as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.output = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 10)

    def forward(self, x):
        return self.output(torch.tanh(self.second(F.relu(self.first(x)))))


def test_numbers_are_right_also_for_functions():
    module, (x, y) = Called(), batch(6, 32)
    with torch.no_grad():
        module.first.bias[:2] = -100
        module.second.weight.mul_(20)
    found = survey(module, (x, y), loss_fn=F.cross_entropy).rows
    one = torch.relu(module.first(x)).detach().requires_grad_()
    two = torch.tanh(module.second(one))
    grads = torch.autograd.grad(F.cross_entropy(module.output(two), y), (one, two))
    assert [(row.name, row.activation) for row in found] == [
        ("first", "relu"), ("second", "tanh"), ("output", "identity"),
    ]  # fmt: skip
    for row, values, grad in zip(found, (one, two), grads, strict=False):
        assert row.mean == pytest.approx(values.mean().item(), abs=1e-6)
        assert row.std == pytest.approx(values.std(correction=0).item())
        assert row.grad_mean == pytest.approx(grad.mean().item(), abs=1e-7)
        assert row.grad_std == pytest.approx(grad.std(correction=0).item())
        assert row.grad_norm == pytest.approx(grad.norm().item())
    assert found[0].dead == 0.25 and math.isnan(found[0].saturated)
    assert found[1].saturated == pytest.approx((two.abs() > 0.99).float().mean().item())


def test_functions_and_modules_give_the_same_survey():
    called = Called()
    module = nn.Sequential(called.first, nn.ReLU(), called.second, nn.Tanh(), called.output)
    x, y = batch(6, 32)
    one, two = (survey(net, (x, y), loss_fn=F.cross_entropy) for net in (called, module))
    for left, right in zip(one.to_plain()["layers"], two.to_plain()["layers"], strict=True):
        left.pop("name"), right.pop("name")
        assert left == pytest.approx(right, nan_ok=True)


def test_nothing_is_left_behind(network):
    module, x = network
    before = copy.deepcopy(module)
    torch.manual_seed(3)
    expected = torch.rand(1).item()
    torch.manual_seed(3)
    first, again = survey(module, x), None
    assert torch.rand(1).item() == expected
    for (name, one), two in zip(module.state_dict().items(), before.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    for one, two in zip(module.modules(), before.modules(), strict=True):
        assert one.training == two.training and not one._forward_hooks and not one._forward_pre_hooks
    assert all(param.grad is None for param in module.parameters())
    module.eval()
    first, again = survey(module, x), survey(module, x)
    assert repr(first) == repr(again)
    assert first.rows and all(math.isfinite(row.std) and row.grad_norm > 0 for row in first.rows)


def test_too_few_layers_cannot_be_told():
    module, (x, _) = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), batch(4)
    found = survey(module, x)
    assert (found.forward, found.backward) == ("unknown", "unknown") and math.isnan(found.forward_ratio)
    assert len(survey(nn.Linear(4, 2), x).rows) == 1
    assert survey(nn.ReLU(), x).rows == ()


def test_overflow_counts_as_explosion(plain):
    module, (x, y) = plain(30, 64), batch(64)
    start(module, Normal(std=1e3), seed=0)
    found = survey(module, (x, y), loss_fn=F.cross_entropy)
    assert found.forward == "explode" and found.forward_ratio == math.inf


def rows(*names):
    numbers = dict.fromkeys(("mean", "std", "dead", "saturated", "grad_mean", "grad_std", "grad_norm"), 0.0)
    return [SurveyRow(name=name, activation="relu", **numbers) for name in names]


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("conv1", "conv2", "hidden"), ("conv1", "conv2")),
        (("blocks.0.qkv", "blocks.0.mlp", "blocks.1.qkv", "blocks.1.mlp"), ("blocks.0.qkv", "blocks.1.qkv")),
        (("encode", "middle", "decode"), ("encode", "middle", "decode")),
        (("0", "2", "4"), ("0", "2", "4")),
        (("one",), ("one",)),
        ((), ()),
    ],
)
def test_layers_of_the_same_part_are_compared(names, kept):
    assert tuple(row.name for row in _comparable(rows(*names))) == kept
