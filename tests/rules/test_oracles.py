"""Each rule against torch.optim over 20 steps in float64; plain references where torch has no such rule."""

import importlib.util
from pathlib import Path

import pytest
import torch

from thalweg.rules import SGD, Adam, AdamW, RMSProp

_spec = importlib.util.spec_from_file_location(
    "oracles_references", Path(__file__).parents[1] / "oracles" / "references.py"
)
oracles = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracles)

STEPS = 20
LR = 0.03


def start():
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def gradients(theta=None):
    generator = torch.Generator().manual_seed(1)
    scales = torch.logspace(-3, 2, 35, dtype=torch.float64).reshape(7, 5)
    return [torch.randn(7, 5, generator=generator, dtype=torch.float64) * scales for _ in range(STEPS)]


def ours(rule, grads=None):
    params = {"w": start()}
    state = rule.init(params)
    for step, grad in enumerate(grads or gradients()):
        change, state = rule.update({"w": grad}, state, params, rule.hyper(), step)
        params = {"w": params["w"] + change["w"]}
    return params["w"]


def torchs(kind, grads=None, **settings):
    param = torch.nn.Parameter(start())
    optimizer = kind([param], **settings)
    for grad in grads or gradients():
        param.grad = grad.clone()
        optimizer.step()
    return param.detach()


def assert_same(left, right, begin=None):
    """Compare relative to how far each weight moved: a small mistake would hide behind a large weight."""
    begin = start() if begin is None else begin
    assert ((left - right).abs() <= 1e-12 * (right - begin).abs() + 1e-15).all()


BETAS = {"betas": (0.8, 0.97), "eps": 1e-4}
CASES = {
    "sgd": (SGD(lr=LR), torch.optim.SGD, {}),
    "sgd decay": (SGD(lr=LR, weight_decay=0.1), torch.optim.SGD, {"weight_decay": 0.1}),
    "momentum": (SGD(lr=LR, momentum=0.9), torch.optim.SGD, {"momentum": 0.9}),
    "nesterov": (
        SGD(lr=LR, momentum=0.9, nesterov=True),
        torch.optim.SGD,
        {"momentum": 0.9, "nesterov": True},
    ),
    "all of sgd": (
        SGD(lr=LR, momentum=0.8, nesterov=True, weight_decay=0.2),
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.2},
    ),
    "rmsprop": (RMSProp(lr=LR), torch.optim.RMSprop, {}),
    "rmsprop eps decay": (
        RMSProp(lr=LR, alpha=0.9, eps=1e-2, weight_decay=0.1),
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 1e-2, "weight_decay": 0.1},
    ),
    "adam": (Adam(lr=LR), torch.optim.Adam, {}),
    "adam coupled": (
        Adam(lr=LR, beta1=0.8, beta2=0.97, eps=1e-4, weight_decay=0.1),
        torch.optim.Adam,
        {**BETAS, "weight_decay": 0.1},
    ),
    "adamw": (AdamW(lr=LR), torch.optim.AdamW, {}),
    "adamw heavy": (
        AdamW(lr=LR, beta1=0.8, beta2=0.97, eps=1e-4, weight_decay=0.5),
        torch.optim.AdamW,
        {**BETAS, "weight_decay": 0.5},
    ),
    "adamw no decay": (AdamW(lr=LR, weight_decay=0.0), torch.optim.AdamW, {"weight_decay": 0.0}),
}


@pytest.mark.parametrize("case", CASES)
def test_torch(case):
    rule, kind, settings = CASES[case]
    assert_same(ours(rule), torchs(kind, lr=LR, **settings))


def test_coupled_decay_is_not_decoupled_decay():
    assert not torch.allclose(ours(Adam(weight_decay=0.1)), ours(AdamW(weight_decay=0.1)), rtol=1e-3)


@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_average_velocity_is_the_notes(rho):
    expected = oracles.momentum_average(start(), gradients(), alpha=LR, rho=rho)
    assert_same(ours(SGD(lr=LR, momentum=rho, velocity="average")), expected)


def test_average_velocity_is_torchs_dampening_once_started_from_rest():
    """Torch takes the first gradient undamped; with a first gradient of zero the two are one rule."""
    grads = [torch.zeros(7, 5, dtype=torch.float64), *gradients()]
    expected = torchs(torch.optim.SGD, grads, lr=LR, momentum=0.9, dampening=0.9)
    assert_same(ours(SGD(lr=LR, momentum=0.9, velocity="average"), grads), expected)


@pytest.mark.parametrize("nesterov", [False, True])
def test_average_velocity_needs_a_larger_rate_for_the_same_path(nesterov):
    average = ours(SGD(lr=LR, momentum=0.9, velocity="average", nesterov=nesterov))
    assert_same(average, ours(SGD(lr=LR * (1 - 0.9), momentum=0.9, nesterov=nesterov)))


def test_adam_without_correction_is_the_slides():
    expected = oracles.adam_as_on_the_slides(start(), gradients(), alpha=LR, beta1=0.9, beta2=0.999, epsilon=1e-8)
    assert_same(ours(Adam(lr=LR, bias_correction=False)), expected)


def test_adams_first_step_is_the_rate():
    grad = {"w": torch.tensor([1e-4, -3.0, 1e4], dtype=torch.float64)}
    rule = Adam(lr=0.1, eps=0.0)
    change, _ = rule.update(grad, rule.init(grad), grad, rule.hyper(), 0)
    torch.testing.assert_close(change["w"], torch.tensor([-0.1, 0.1, -0.1], dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "rule", [Adam(lr=LR), AdamW(lr=LR, weight_decay=0.1), Adam(lr=LR, bias_correction=False)], ids=str
)
def test_the_order_of_operations_stays(rule, dtype):
    """Bit for bit: runs recorded with these rules repeat. Another order of the same formula passes every other test."""
    grads, params = [grad.to(dtype) for grad in gradients()], {"w": start().to(dtype)}
    theta, m, s = params["w"], torch.zeros(7, 5, dtype=dtype), torch.zeros(7, 5, dtype=dtype)
    state, beta1, beta2, decay = rule.init(params), rule.beta1, rule.beta2, getattr(rule, "weight_decay", 0.0)
    for step, g in enumerate(grads):
        change, state = rule.update({"w": g}, state, params, rule.hyper(), step)
        params = {"w": params["w"] + change["w"]}
        m = (m * beta1).add(g, alpha=1 - beta1)
        s = (s * beta2).add(g * g, alpha=1 - beta2)
        c1, c2 = (
            (1 - beta1 ** (step + 1), 1 - beta2 ** (step + 1)) if getattr(rule, "bias_correction", True) else (1.0, 1.0)
        )
        u = (m / c1) / (s.sqrt() / c2**0.5 + rule.eps)
        theta = theta + (u + theta * decay if decay else u) * -LR
    assert torch.equal(params["w"], theta)
